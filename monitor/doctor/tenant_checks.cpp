// What keeps those apart who share a host: what processors and memory let a guest see of others.

#include "monitor/doctor/check.hpp"

namespace {

constexpr const char* kVulnerabilities = "sys/devices/system/cpu/vulnerabilities";

Result<std::string> vulnerability(const Host& host, std::string_view name) {
    return host.files.line(joined({kVulnerabilities, "/", name}).c_str());
}

bool says(std::string_view line, std::string_view words) {
    return line.find(words) != std::string_view::npos;
}

Finding smt(const Host& host) {
    const auto active = host.files.number("sys/devices/system/cpu/smt/active");
    if (!active.ok()) return unreadable(active.error());
    if (active.value() == 0) return fine("off");
    return warning("on: two guests share a core",
                   "echo off >/sys/devices/system/cpu/smt/control, or boot with nosmt");
}

// EINVAL: the kernel has none; ENODEV: there are no siblings to be kept apart.
Finding core_scheduling(const Host& host) {
    const int code = host.answers.core_scheduling;
    if (code == 0) return fine("available");
    if (code == ENODEV) return fine("not needed: no SMT");
    const auto active = host.files.number("sys/devices/system/cpu/smt/active");
    if (active.ok() && active.value() == 0) return fine("not needed: SMT is off");
    return warning(with_reason("PR_SCHED_CORE", code),
                   "Linux 5.14 or newer with CONFIG_SCHED_CORE, or no SMT");
}

// Those that have checks of their own are left to them.
Finding vulnerabilities(const Host& host) {
    const auto names = host.files.names(kVulnerabilities);
    if (names.empty()) return skipped("the kernel does not tell");
    std::string open;
    for (const std::string& name : names) {
        if (name == "l1tf" || name == "itlb_multihit" || name == "old_microcode") continue;
        const auto line = vulnerability(host, name);
        if (!line.ok() || !line.value().starts_with("Vulnerable")) continue;
        open.append(open.empty() ? "" : ", ").append(name);
    }
    if (open.empty()) return fine("none without mitigation");
    return warning(joined({"open: ", open}),
                   "no mitigations=off at boot, a newer kernel, newer microcode");
}

Finding l1tf(const Host& host) {
    const auto state = vulnerability(host, "l1tf");
    if (!state.ok()) return unreadable(state.error());
    if (says(state.value(), "Not affected")) return fine("not affected");
    const auto flush = host.files.line("sys/module/kvm_intel/parameters/vmentry_l1d_flush");
    if (!flush.ok()) return skipped("affected, but kvm_intel is not loaded");
    const std::string found = joined({"vmentry_l1d_flush is ", flush.value()});
    for (const char* const safe : {"always", "not required", "EPT disabled"})
        if (flush.value() == safe) return fine(found);
    return warning(found, "load kvm_intel with vmentry_l1d_flush=always");
}

Finding nx_huge_pages(const Host& host) {
    const auto state = vulnerability(host, "itlb_multihit");
    if (!state.ok()) return unreadable(state.error());
    if (says(state.value(), "Not affected")) return fine("not affected by iTLB multihit");
    const auto setting = host.files.line("sys/module/kvm/parameters/nx_huge_pages");
    if (!setting.ok()) return skipped("affected, but kvm is not loaded");
    if (setting.value() == "Y") return fine("on");
    return warning("off, and a guest can stop this processor", "load kvm with nx_huge_pages=force");
}

// Of the first processor that has another revision than the one before, both; else the one of all,
// as far as the file was read.
std::vector<std::string_view> revisions(std::string_view cpuinfo) {
    std::vector<std::string_view> found;
    while (!cpuinfo.empty() && found.size() < 2) {
        const auto revision = value_of(take_line(cpuinfo), "microcode");
        if (revision.has_value() && (found.empty() || found.back() != *revision))
            found.push_back(*revision);
    }
    return found;
}

// The vulnerability for which it is too old, by the kernel's own words.
std::string not_covered(const Host& host) {
    for (const std::string& name : host.files.names(kVulnerabilities)) {
        const auto line = vulnerability(host, name);
        if (!line.ok()) continue;
        const bool is_old = name == "old_microcode" && line.value().starts_with("Vulnerable");
        if (is_old || says(line.value(), "no microcode")) return name;
    }
    return {};
}

Finding microcode(const Host& host) {
    const auto text = host.files.text("proc/cpuinfo");
    if (!text.ok()) return unreadable(text.error());
    const auto found = revisions(text.value());
    if (found.empty()) return skipped("the kernel does not tell");
    constexpr const char* kRemedy = "install intel-microcode or amd64-microcode, and boot anew";
    if (found.size() > 1)
        return warning(joined({"processors differ: ", found[0], ", ", found[1]}), kRemedy);
    if (const std::string name = not_covered(host); !name.empty())
        return warning(joined({"revision ", found[0], ", too old: ", name}), kRemedy);
    const bool is_guest = holds_word(value_of(text.value(), "flags").value_or(""), "hypervisor");
    return fine(joined({"revision ", found[0], is_guest ? ", says a hypervisor above" : ""}));
}

// The module of the processor that this is.
Finding nested(const Host& host) {
    for (const char* const path :
         {"sys/module/kvm_intel/parameters/nested", "sys/module/kvm_amd/parameters/nested"}) {
        const auto setting = host.files.line(path);
        if (!setting.ok()) continue;
        if (setting.value() == "N" || setting.value() == "0") return fine("off");
        return warning("KVM offers nested virtualization",
                       "load kvm_intel or kvm_amd with nested=0, unless a guest needs it");
    }
    return skipped("neither kvm_intel nor kvm_amd is loaded");
}

Finding ksm(const Host& host) {
    constexpr uint64_t kMerging = 1;
    const auto run = host.files.number("sys/kernel/mm/ksm/run");
    if (!run.ok())
        return run.error().code == ENOENT ? fine("not in this kernel") : unreadable(run.error());
    if (run.value() != kMerging) return fine("off");
    return warning("merges pages, whose owners can observe each other",
                   "echo 2 >/sys/kernel/mm/ksm/run");
}

Finding swap(const Host& host) {
    const auto text = host.files.text("proc/swaps");
    if (!text.ok()) return unreadable(text.error());
    std::string_view rest = text.value();
    take_line(rest);
    std::string_view first = take_line(rest);
    const std::string_view place = take_word(first);
    if (place.empty()) return fine("off");
    return warning(joined({"guest memory may end up in ", place}),
                   "swapoff -a, and take it out of /etc/fstab");
}

Finding at_least_one(const Host& host, const char* path, const char* name) {
    const auto setting = host.files.number(path);
    if (!setting.ok()) return unreadable(setting.error());
    const std::string found = joined({name, " is ", std::to_string(setting.value())});
    if (setting.value() >= 1) return fine(found);
    return warning(found, joined({"sysctl -w ", name, "=1"}));
}

Finding kernel_pointers(const Host& host) {
    return at_least_one(host, "proc/sys/kernel/kptr_restrict", "kernel.kptr_restrict");
}

Finding kernel_log(const Host& host) {
    return at_least_one(host, "proc/sys/kernel/dmesg_restrict", "kernel.dmesg_restrict");
}

}  // namespace

Findings tenant_findings(const Host& host) {
    Findings found;
    found.push_back({"smt", smt(host)});
    found.push_back({"core-scheduling", core_scheduling(host)});
    found.push_back({"vulnerabilities", vulnerabilities(host)});
    found.push_back({"l1tf", l1tf(host)});
    found.push_back({"nx-huge-pages", nx_huge_pages(host)});
    found.push_back({"microcode", microcode(host)});
    found.push_back({"nested", nested(host)});
    found.push_back({"ksm", ksm(host)});
    found.push_back({"swap", swap(host)});
    found.push_back({"kernel-pointers", kernel_pointers(host)});
    found.push_back({"kernel-log", kernel_log(host)});
    return found;
}
