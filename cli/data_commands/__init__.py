"""The commands of ``pepland-data``, one file each; `pepland_cli.data` names them all."""
