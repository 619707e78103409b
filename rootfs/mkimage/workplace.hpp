// Where an image is made: a folder beside OUT that has the image and, for archives, the tree it is
// made from. OUT gets the finished image by a rename, so it appears whole or not at all; whatever
// happens, the folder goes. Only SIGKILL leaves it, and its name says whose it is. Main thread.
#pragma once

#include <sys/stat.h>

#include <string>
#include <utility>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

class Workplace {
public:
    // Makes `.mayfly-image-XXXXXX` beside `out`, with an empty image in it.
    // Errors: OUT exists and is no regular file; no permission.
    static Result<Workplace> create(const char* out);

    Workplace(Workplace&& other) noexcept
        : out_(other.out_),
          target_(std::move(other.target_)),
          folder_(std::exchange(other.folder_, {})),
          mode_(other.mode_) {}
    Workplace& operator=(Workplace&&) = delete;
    ~Workplace();

    const std::string& folder() const { return folder_; }

    // Puts the image in OUT's place, on stable storage. The old OUT's permissions stay.
    Result<> publish();

private:
    Workplace(const char* out, std::string target) : out_(out), target_(std::move(target)) {}

    const char* out_;
    std::string target_;  // OUT, links resolved
    std::string folder_;  // empty: moved from or never made
    mode_t mode_ = 0;     // of the image that is replaced; 0: none is
};

// Beside each other in the workplace.
std::string image_in(const std::string& workplace);
std::string tree_in(const std::string& workplace);

// The folder that `path`, which need not exist, lies in.
std::string folder_of(const std::string& path);

// Removes a folder and all in it, and follows no link. `path` may not be deeper than PATH_MAX.
void remove_folder(const std::string& path);
