// What a program finds around it, as a container engine would give it: files under /etc that say
// who and where this machine is, limits, and the kernel's settings (docs/images.md, "What a program
// finds"). What cannot be given is said, and does not end init.
#pragma once

#include <optional>
#include <string>

#include "rootfs/init/network.hpp"
#include "rootfs/init/settings.hpp"

// A file of init's own, which is bound over one of the image's, so that an image that is written to
// keeps its own.
class BoundFile {
public:
    // In the initial root, with `text`. `path` is where it will be seen, and outlives the object.
    BoundFile(const char* path, const std::string& text);
    // In the image's root: makes the file that it is bound over where there is none, also behind a
    // link that leads nowhere.
    void bind() const;

private:
    const char* path_;
    int fd_;
};

// /etc/hosts, for a machine called `hostname`; `has_ipv6`: the kernel has an address ::1.
std::string hosts_file(const char* hostname, const std::optional<NetworkSettings>& network,
                       bool has_ipv6);

// The folder `path`, and those above it. False with errno where there is none then.
bool make_folders(const std::string& path);

// The kernel's settings, and the folders that the program is promised, for which the program need
// not be root. After enter_root().
void furnish(const Settings& settings);

// Of the calling process: the limits that a service has.
void set_limits();
