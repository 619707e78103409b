# Written by tests/check-tools --write from the program's help.

complete -c mayfly-image -l format -x -a 'erofs squashfs ext4' -d 'read-only, not compressed: the quickest to start from (default); read-only, compressed: small; writable'
complete -c mayfly-image -l size -x -d 'of an ext4 image, as in 64M; by default what SOURCE takes, an eighth of it and 16 MiB'
complete -c mayfly-image -l max-expansion -x -d 'an archive may unpack to N times its size, and 64 MiB (default 64)'
complete -c mayfly-image -l help -s h -d 'this page; also as the word help alone'
complete -c mayfly-image -l version -s V -d 'the version; also as the word version alone'
