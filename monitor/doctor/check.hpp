// The checks of `mayfly doctor`, each about one thing and always with one finding. A function of
// what the host's files say and the kernel has answered, so that a test can make up both. Main
// thread. docs/production-host.md tells of each by its name.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "monitor/doctor/answers.hpp"
#include "monitor/doctor/finding.hpp"
#include "monitor/doctor/host_tree.hpp"

struct Host {
    HostTree files;
    Answers answers;
};

struct NamedFinding {
    const char* check = nullptr;
    Finding finding{};
};
using Findings = std::vector<NamedFinding>;

Findings vm_findings(const Host& host);       // what every VM needs
Findings io_findings(const Host& host);       // drives and NICs
Findings network_findings(const Host& host);  // --net auto, and --net tap=
Findings jail_findings(const Host& host);     // --jail and mayfly-jailer
Findings tenant_findings(const Host& host);   // what keeps those apart who share a host
Findings upkeep_findings(const Host& host);   // what keeps a host going

// For a file that could not be read.
Finding unreadable(const Error& error);
// "what: strerror(code)". `what` is short.
std::string with_reason(const char* what, int code);
// All in one.
std::string joined(std::initializer_list<std::string_view> parts);
