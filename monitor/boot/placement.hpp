// Moves bytes of an Image into guest RAM before the guest runs. Main thread.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "monitor/boot/image.hpp"
#include "monitor/memory/guest_ram.hpp"
#include "virtio/guest_memory.hpp"

// Whose the pages are that hold a kernel or an initrd. A guest can tell by the time that an access
// takes what others who share a page with it have touched of late (Flush+Reload), and so watch the
// kernel of another at work.
enum class ImagePages : uint8_t {
    kShared,  // the page cache's, until the guest writes to them
    kOwn,     // the VM's, from the first on
};

// How bytes of a file come into guest RAM. Either way the guest faults on each page it touches;
// copied pages may be huge ones, which it then touches 512 at a time.
enum class Placement {
    kMapped,  // for what is large and partly used: a kernel that runs where it lies
    kCopied,  // for what the guest reads once from end to end: a compressed kernel
};

// Makes guest RAM from `at` on equal [offset, offset + length) of the image. With kMapped, where a
// file's pages coincide with the guest's, whole pages are mapped copy-on-write: nothing is copied,
// and guests of one kernel share them. The rest is read straight into RAM, and so is all where the
// RAM is made of huge pages.
//
// Mapped pages follow the file until the guest writes to them. Whoever can cut a kernel file short
// while guests run can end those guests, and no more.
// Errors: EFAULT (not RAM), ENODATA (the file was cut short meanwhile), as pread(2) and mmap(2).
Result<> place(const Image& image, uint64_t offset, const GuestRam& ram, GuestAddress at,
               uint64_t length, Placement how);
