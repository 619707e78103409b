// The programs of a comparison: how each is found, what it boots, and the command line that its own
// documentation recommends for a fast start. METHOD.md, "mayfly-bench compare", has the sources.
// Pure but for a look at the file system; one thread.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "bench/guest.hpp"

// How a monitor is started with a guest.
struct Invocation {
    std::vector<std::string> words;
    std::string given_file{};  // what the program finds in Program::kGivenFile; "": nothing
};

struct Monitor {
    const char* name;
    std::array<const char*, 2> file_names;  // as it is installed; "": no other
    // Why it does not boot the guest; nullptr: it does.
    const char* (*refusal)(const Guest& guest);
    // `kvm` is the module behind /dev/kvm.
    Invocation (*invocation)(const std::string& path, const Guest& guest, std::string_view kvm);
    bool writes_home = false;  // leaves something in the user's home folder
};

// The floor has a guest of its own, in every comparison the same.
extern const Monitor kFloor;
extern const Monitor kMayfly;
// "qemu, kvmtool, firecracker and cloud-hypervisor".
std::span<const Monitor> peers();

// What the floor's own guest prints.
inline constexpr char kFloorMarker[] = "hello";

// The first program of the names in `path`, a list of folders as in PATH; "": none.
std::string find_program(const std::array<const char*, 2>& names, std::string_view path);

// "NAME=PATH" of a peer.
struct GivenPeer {
    const Monitor* monitor;
    std::string path;
};
// Errors: no such peer, no program at the path.
Result<GivenPeer> parse_peer(const char* text);
