// A file that is written beside the one whose place it is to take: until then, whatever happens
// leaves the old one as it was. API thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

class NewFile {
public:
    // Begins one for `path`, called that and `suffix`, readable by its owner alone. Errors: as
    // open(2); EEXIST also where at `path` is something that is no regular file.
    static Result<NewFile> create(std::string path, const std::string& suffix);

    NewFile(NewFile&& other) noexcept = default;
    NewFile& operator=(NewFile&&) = delete;
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;
    // Removed where it has not taken its place, and is not left().
    ~NewFile();

    // All of `bytes` at `offset`. Errors: as pwrite(2).
    Result<> write(std::span<const std::byte> bytes, uint64_t offset) const;
    // Longer than what is written: the rest reads as zeroes. Errors: as ftruncate(2).
    Result<> set_size(uint64_t bytes) const;
    // What is written outlasts the host. Errors: as fsync(2).
    Result<> sync() const;

    // Under its own name, it is of use from here on.
    void leave() { is_left_ = true; }
    // At `path` from here on. Errors: as rename(2).
    Result<> take_place();
    // That outlasts the host, too. Errors: as fsync(2) of the folder.
    Result<> sync_folder() const;

private:
    NewFile(std::string path, std::string name, UniqueFd fd)
        : path_(std::move(path)), name_(std::move(name)), fd_(std::move(fd)) {}

    Error said(const char* what) const;

    std::string path_;
    std::string name_;
    UniqueFd fd_;  // none: moved from
    bool is_left_ = false;
};
