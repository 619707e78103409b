// Archives for tests, entry by entry as they are asked for, however strange. Files belong to
// whoever runs the test, so that they can be unpacked without root. Main thread.
#pragma once

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

class MadeArchive {
public:
    MadeArchive() : file_(::memfd_create("archive", MFD_CLOEXEC)), writer_(::archive_write_new()) {
        ::archive_write_set_format_pax(writer_.get());
        ::archive_write_open_fd(writer_.get(), file_.get());
    }

    using Change = std::function<void(archive_entry*)>;

    MadeArchive& file(const char* path, std::string_view content, mode_t mode = 0644) {
        return add(path, AE_IFREG, mode, content, [](archive_entry*) {});
    }
    MadeArchive& folder(const char* path, mode_t mode = 0755) {
        return add(path, AE_IFDIR, mode, "", [](archive_entry*) {});
    }
    MadeArchive& symlink(const char* path, const char* target) {
        return add(path, AE_IFLNK, 0777, "",
                   [&](archive_entry* it) { ::archive_entry_set_symlink(it, target); });
    }
    MadeArchive& hard_link(const char* path, const char* target) {
        return add(path, AE_IFREG, 0644, "",
                   [&](archive_entry* it) { ::archive_entry_set_hardlink(it, target); });
    }
    MadeArchive& add(const char* path, mode_t type, mode_t mode, std::string_view content,
                     const Change& change) {
        const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(::archive_entry_new(),
                                                                             &::archive_entry_free);
        ::archive_entry_set_pathname(entry.get(), path);
        ::archive_entry_set_filetype(entry.get(), type);
        ::archive_entry_set_perm(entry.get(), mode);
        ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
        ::archive_entry_set_uid(entry.get(), ::geteuid());
        ::archive_entry_set_gid(entry.get(), ::getegid());
        ::archive_entry_set_mtime(entry.get(), kTime, 0);
        change(entry.get());
        ::archive_write_header(writer_.get(), entry.get());
        ::archive_write_data(writer_.get(), content.data(), content.size());
        return *this;
    }

    // Finished, at its start. Nothing can be added any more.
    int fd() {
        if (writer_ != nullptr) ::archive_write_close(writer_.get());
        writer_.reset();
        ::lseek(file_.get(), 0, SEEK_SET);
        return file_.get();
    }

    static constexpr time_t kTime = 981173106;  // of every entry

private:
    struct Free {
        void operator()(archive* writer) const { ::archive_write_free(writer); }
    };

    UniqueFd file_;
    std::unique_ptr<archive, Free> writer_;
};
