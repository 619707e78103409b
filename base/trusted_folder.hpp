// Who can change what a path leads to. Whoever runs as root in folders of other people has to know:
// the owner of a folder can put a link, or another folder, in the place of each name in it. Any
// thread.
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

// A folder that a path led to, held.
struct FolderFound {
    UniqueFd folder;  // O_PATH
    struct stat status {};
    // Whether nobody but root and our user could have led the path to another one.
    bool is_way_trusted = false;

    // Nobody but root and our user can change a name in it.
    bool is_trusted() const;
    // The same, but others may make names of their own in it, as in /tmp. A name of root's or ours
    // stays what it is.
    bool keeps_our_names() const;
};

// Follows `path` to a folder, through links only where nobody but root and our user could have made
// them. Errors: as open(2), about the path so far; ELOOP for a link of somebody else's.
Result<FolderFound> find_folder(const std::string& path);

// The same of a path that begins in `start` unless it is absolute, as a link's target does.
Result<FolderFound> find_folder_from(FolderFound start, const std::string& path);

// The folder `path`, made where it is missing, with all above it (0755). No link is followed.
// Errors: as mkdir(2) and open(2), about the path so far; EPERM where others can change a folder on
// the way, and then nothing is made in it.
Result<UniqueFd> make_trusted_folder(const std::string& path);

// Whether they are one file.
bool is_same_file(const struct stat& one, const struct stat& other);
