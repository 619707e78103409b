// What images are made from: a folder, which tools read where it is, or archives, which are
// unpacked first. Main thread.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "rootfs/mkimage/bundle.hpp"
#include "rootfs/mkimage/image_options.hpp"
#include "rootfs/mkimage/job.hpp"
#include "rootfs/mkimage/staging_tree.hpp"

class Source {
public:
    // Errors: nothing there; neither a folder nor a file, where one of them is wanted.
    // A folder that is an image layout, or an unpacked `docker save`, is one without a prefix too:
    // nobody wants an image of its blobs.
    static Result<Source> open(const SourceName& name, Job& job);

    // Whether the tree is there already, and is not to be unpacked.
    bool is_tree() const { return is_folder_ && !is_image_; }
    bool is_folder() const { return is_folder_; }

    int fd() const { return file_.get(); }

    // Unpacks what is no tree to a new one, kTreeName in the private folder `workplace`, as root or
    // under fakeroot, in a sandbox. `most_times`: how many times its size it may take.
    Result<> unpack(int workplace, uint64_t most_times, Job& job) const;

    // Fails if `folder` is the folder that this is, or in it.
    Result<> must_not_hold(const UniqueFd& folder) const;

private:
    Source(const SourceName& name, UniqueFd file, bool is_folder, bool is_image)
        : name_(name), file_(std::move(file)), is_folder_(is_folder), is_image_(is_image) {}

    Result<> unpack_confined(int workplace, uint64_t most_times, Job& job) const;
    Result<> unpack_image_in(Bundle& saved, int workplace, Expansion& expansion, Job& job) const;

    const SourceName& name_;
    UniqueFd file_;
    bool is_folder_;
    bool is_image_;  // a folder of blobs
};
