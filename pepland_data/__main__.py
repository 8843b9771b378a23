"""``python -m pepland_data``, which is ``pepland-data``."""

from pepland_cli.data import main

main(prog_name="pepland-data")
