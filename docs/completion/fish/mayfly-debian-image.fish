# Written by tests/check-tools --write from the program's help.

complete -c mayfly-debian-image -l suite -x -d 'Debian\'s release, as in bookworm (default: this machine\'s, or stable)'
complete -c mayfly-debian-image -l mirror -x -d 'where packages are, instead of where this machine\'s apt has them from'
complete -c mayfly-debian-image -l format -x -d 'erofs, squashfs or ext4, as of mayfly-image (default erofs)'
complete -c mayfly-debian-image -l help -s h -d 'this page; also as the word help alone'
complete -c mayfly-debian-image -l version -s V -d 'the version; also as the word version alone'
