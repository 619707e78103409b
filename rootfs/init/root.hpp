// The root file system: the image on /dev/vda, with a file system in memory over it unless it is to
// be written, and the kernel's own file systems in it.
#pragma once

#include "rootfs/init/settings.hpp"

// The parts of /dev and /proc that init needs before there is a root; and what a kernel with
// modules needs to see the disk: every file of /modules, in the order of their names.
void prepare_initial_root();

// Mounts the image and its file systems at /root. Errors end init.
void mount_root(RootAccess access);

// Makes /root the root, for good.
void enter_root();

// What was written is on the disk afterwards, in a file system that needs no repair.
void leave_root(RootAccess access);
