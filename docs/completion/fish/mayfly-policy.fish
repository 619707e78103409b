# Written by tests/check-tools --write from the program's help.

complete -c mayfly-policy -n __fish_use_subcommand -f -a compile -d 'the filters, to stdout'
complete -c mayfly-policy -n __fish_use_subcommand -f -a show -d 'each line with its numbers: role, line, call, number,'
complete -c mayfly-policy -n __fish_use_subcommand -f -a names -d 'the names of all system calls by number, each ended by a zero'
