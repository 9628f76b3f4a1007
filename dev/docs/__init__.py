"""What is written by a program in the README files: a role's inputs, from its argument_specs.yml."""
