// The files and interfaces of this host that a Config names, opened. They are opened when somebody
// asks for them, so that it is told at once of one that is not there, and before a jail is entered;
// the machine takes them at its start. Owned by who configures the VM; one thread at a time.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "monitor/boot/image.hpp"
#include "monitor/machine/config.hpp"
#include "virtio/disk.hpp"
#include "virtio/tap.hpp"

// `error`, said of a part of a configuration by its name.
Error said_of(const char* part, Error error);

struct BootImages {
    Image kernel;
    std::optional<Image> initrd;
};

// In the order of the Config's drives and NICs.
struct DeviceFiles {
    std::vector<Disk> disks;
    std::vector<Tap> taps;
    UniqueFd serial_output;  // none: stdout
};

class HostFiles {
public:
    HostFiles();

    // Whoever asks now is a client that waits: a disk or TAP that is in use is not waited for long.
    void serve_requests() { patience_ = Patience::kOfRequest; }

    // Opens what `config` names and is not open, or is open under another name or mode, and lets go
    // of what it no longer names. Errors: those of Image::open(), Disk::open() and Tap::open(),
    // with what `names` calls the part. What was open stays open then: a process in a jail could
    // not open it again.
    Result<> open_missing(const Config& config, const FieldNames& names);

    // Files of drives and boot images that the host has replaced, or that have another size by now,
    // count as not open: the next open_missing() opens them. Others stay, also where their paths
    // lead nowhere any more, as in a jail.
    void notice_changes();

    // For as long as they are not opened anew. Precondition: open_missing(), as for the next.
    const BootImages& images() const { return images_; }

    // All but the images. The next open_missing() opens them again.
    DeviceFiles take_devices();

private:
    // What a Config says of a drive's file.
    struct Wanted {
        const std::string* path;
        DiskAccess access;
        bool is_image;
        DiskSharing sharing;
    };
    struct OpenDisk {
        std::string path;
        DiskAccess access;
        Disk disk;
        bool is_outdated = false;

        bool is_of(const Wanted& drive) const {
            return !is_outdated && path == *drive.path && access == drive.access;
        }
        // One file, and one of the two writes to it.
        bool clashes(const FileIdentity& file, DiskAccess other_access) const {
            return disk.identity() == file &&
                   (access == DiskAccess::kReadWrite || other_access == DiskAccess::kReadWrite);
        }
    };
    struct OpenTap {
        std::string name;
        Tap tap;
    };

    Result<> open_images(const Config& config, const FieldNames& names);
    Result<> open_disks(const Config& config, const FieldNames& names);
    // Those that disks_ has not.
    Result<std::vector<OpenDisk>> open_missing_disks(std::span<const Wanted> wanted,
                                                     const FieldNames& names) const;
    Result<> open_taps(const Config& config, const FieldNames& names);
    Result<> open_serial_output(const Config& config, const FieldNames& names);

    Patience patience_ = Patience::kOfStart;
    BootImages images_;
    std::string kernel_path_;
    std::string initrd_path_;
    std::vector<OpenDisk> disks_;
    std::vector<OpenTap> taps_;
    std::string serial_output_path_;
    UniqueFd serial_output_;
};
