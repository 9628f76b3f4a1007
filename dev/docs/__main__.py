"""`python -m dev.docs`: write docs/faults.md and the generated parts of the README files."""

from __future__ import annotations

import sys

from dev.setup.common import ROOT

from .faults import PAGE, faults_page
from .roles import DocsError, updated


def main() -> str | None:
    """Return what is wrong, or None."""
    for specs in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        role = specs.parents[1]
        try:
            text = updated(role)
        except DocsError as exc:
            return f"docs: {exc}"
        readme = role / "README.md"
        if not readme.is_file() or readme.read_text() != text:
            readme.write_text(text)
            print(f"docs: wrote {readme.relative_to(ROOT)}")
    text = faults_page()
    if PAGE.read_text() != text:
        PAGE.write_text(text)
        print(f"docs: wrote {PAGE.relative_to(ROOT)}")
    return None


if __name__ == "__main__":
    sys.exit(main())
