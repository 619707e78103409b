// A cpio archive in the "newc" format, as Linux unpacks it into its initial root (Linux,
// Documentation/driver-api/ early-userspace/buffer-format.rst). A builder; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

class CpioArchive {
public:
    // A regular file of root's. `name` without a leading slash; `mode`: permission bits.
    // Precondition: less than 4 GiB.
    void add_file(std::string_view name, uint32_t mode, std::string_view content);

    // The whole archive. Nothing can be added afterwards.
    std::string finish();

private:
    void add_entry(std::string_view name, uint32_t mode, std::string_view content);

    std::string bytes_;
    uint32_t next_inode_ = 1;
};
