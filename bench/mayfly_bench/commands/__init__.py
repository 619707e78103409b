"""The subcommands that measure: each has a HELP line, flags(parser) and run(options, arguments)."""
