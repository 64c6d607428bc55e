"""`python -m jointir` is `jointir`."""

from jointir.cli import main

main()
