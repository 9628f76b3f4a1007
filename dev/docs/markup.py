"""Ansible's markup as Markdown that reads well in a plain editor too."""

from __future__ import annotations

import re
from collections.abc import Sequence

from antsibull_docs_parser import dom
from antsibull_docs_parser.md import MDFormatter, to_md
from antsibull_docs_parser.parser import Context, parse

# What could begin markup or end a table cell; the library's own formatter escapes every punctuation mark.
SPECIAL = re.compile(r"([|<>*`\\])")


class PlainFormatter(MDFormatter):
    """Names and values become code; text stays as it was written."""

    def format_text(self, part: dom.TextPart) -> str:
        return SPECIAL.sub(r"\\\1", part.text)

    def format_code(self, part: dom.CodePart) -> str:
        return code(part.text)

    def format_env_variable(self, part: dom.EnvVariablePart) -> str:
        return code(part.name)

    def format_option_name(self, part: dom.OptionNamePart, url: str | None) -> str:
        return code(part.name if part.value is None else f"{part.name}={part.value}")

    def format_option_value(self, part: dom.OptionValuePart) -> str:
        return code(part.value)

    def format_module(self, part: dom.ModulePart, url: str | None) -> str:
        return code(part.fqcn)

    def format_plugin(self, part: dom.PluginPart, url: str | None) -> str:
        return code(part.plugin.fqcn)


def code(text: str) -> str:
    """Return text as Markdown code, fit for a table cell."""
    return f"`{text}`".replace("|", "\\|")


def markdown(text: str | Sequence[str], separator: str = "\n\n") -> str:
    paragraphs = [text] if isinstance(text, str) else text
    parsed = [part for paragraph in paragraphs for part in parse(paragraph, Context(), errors="exception")]
    return to_md(parsed, formatter=PlainFormatter(), par_sep=separator).replace("\n", " " if separator == " " else "\n")
