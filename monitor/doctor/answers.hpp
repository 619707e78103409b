// What the kernel answers when it is asked to do what Mayfly does, as far as no file says it. All
// of it is undone at once: namespaces, TAP and rules are a child's, which ends. Main thread, alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "monitor/kvm/survey.hpp"

// In namespaces of a child's own; each is tried only if those before it went well. Without root the
// child is root of a user namespace.
struct Trial {
    int user_namespace = 0;  // errno values; 0: it can be done
    int namespaces = 0;      // mount, ipc, uts, network and process
    int tap = 0;
    int rules = 0;  // of nf_tables
};

struct Answers {
    uint32_t user = 0;
    std::string release{};  // of the kernel: "6.1.0-13-amd64"
    KvmSurvey kvm{};
    int seccomp = 0;              // errno of asking for filters and what they use
    int landlock = 0;             // the version of its interface, or an errno value below 0
    int core_scheduling = 0;      // errno of reading this thread's cookie
    std::optional<Error> ring{};  // why there is no io_uring
    uint64_t open_files = 0;      // the limits of this process
    uint64_t locked_bytes = 0;
    int tun = 0;  // errno of opening /dev/net/tun
    Trial trial{};
};

Answers ask_kernel();
