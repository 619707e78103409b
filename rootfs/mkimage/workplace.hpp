// Where an image is made. The image is a file without a name in OUT's folder, and gets OUT's name
// when it is whole; an archive's tree is in a private folder. Both are held by descriptors, and
// nobody else can change a name in the private folder or on the way to it: so whoever owns OUT's
// folder may swap there what he likes, and leads nobody anywhere. Whatever happens, all of it goes;
// only SIGKILL leaves the folder, whose name says whose it is. Main thread.
#pragma once

#include <sys/stat.h>

#include <string>
#include <utility>

#include "base/result.hpp"
#include "base/trusted_folder.hpp"
#include "base/unique_fd.hpp"

// A folder that we alone can change, gone with this and all that is in it.
class PrivateFolder {
public:
    PrivateFolder() = default;
    PrivateFolder(PrivateFolder&& other) noexcept
        : parent_(std::move(other.parent_)),
          name_(std::exchange(other.name_, {})),
          folder_(std::move(other.folder_)) {}
    PrivateFolder& operator=(PrivateFolder&&) = delete;
    ~PrivateFolder();

    // Makes `.mayfly-image-XXXXXX` in `parent`. Errors: as mkdir(2).
    Result<> make_in(UniqueFd parent);

    int fd() const { return folder_.get(); }

private:
    UniqueFd parent_;
    std::string name_;  // empty: moved from or never made
    UniqueFd folder_;
};

class Workplace {
public:
    // Makes an empty image beside `out`. Errors: OUT exists and is no regular file, or is a link in
    // a folder that others may write; no permission.
    static Result<Workplace> create(const char* out);

    Workplace(Workplace&& other) noexcept
        : out_(other.out_),
          place_(std::move(other.place_)),
          name_(std::move(other.name_)),
          image_(std::move(other.image_)),
          image_name_(std::exchange(other.image_name_, {})),
          mode_(other.mode_),
          folder_(std::move(other.folder_)) {}
    Workplace& operator=(Workplace&&) = delete;
    ~Workplace();

    // The folder that OUT is in.
    const UniqueFd& place() const { return place_.folder; }

    int image() const { return image_.get(); }

    // Makes the private folder for a tree: beside OUT if names of ours stay there what they are,
    // else where temporary files are. Returns it. Errors: there is no such folder either.
    Result<int> make_folder();

    // Puts the image in OUT's place, on stable storage. The permissions of an old OUT of ours stay.
    // Errors: those of the calls; something else is there, since others may write to its folder.
    Result<> publish();

private:
    Workplace(const char* out, FolderFound place, std::string name)
        : out_(out), place_(std::move(place)), name_(std::move(name)) {}
    Result<bool> follow_link(const struct stat& link);
    Result<> look_at_target();
    Result<> make_image();
    Result<std::string> name_image();
    bool is_published() const;

    const char* out_;
    FolderFound place_;
    std::string name_;  // OUT's, in place_
    UniqueFd image_;
    std::string image_name_;  // empty: none yet, or OUT's
    mode_t mode_ = 0;         // of the image that is replaced; 0: none is
    PrivateFolder folder_;
};

// The path of an open file or folder, for calls and tools that take none but names.
std::string descriptor_path(int fd);

// Of an archive, in the private folder.
constexpr const char* kTreeName = "tree";

// Removes a folder and all in it, and follows no link. `path` may not be deeper than PATH_MAX.
void remove_folder(const std::string& path);
