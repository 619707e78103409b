// What looks like no raw disk: an image in a container, or compressed. For people alone: a guest
// may write any bytes to the beginning of its disk, so nothing is done or refused by what is found.
#pragma once

#include <cstdint>

// What is wrong with the file, and the remedy; nullptr for a raw disk, as far as can be seen, and
// for what cannot be read. Reads the first and the last sector. Any thread.
const char* foreign_format(int fd, uint64_t size_bytes);

// Of a disk that the guest may only read: it has an ext4 whose VM was killed, which no kernel
// mounts like that. nullptr: not as far as can be seen. Reads the superblock. Any thread.
const char* unplayed_journal(int fd);
