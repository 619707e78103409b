// What every VM needs: kernel, KVM, filters, limits.
#include <algorithm>
#include <array>
#include <charconv>

#include "monitor/doctor/check.hpp"

namespace {

// "6.1.0-13-amd64" as 6001.
unsigned version_of(std::string_view release) {
    constexpr unsigned kThousand = 1000;
    unsigned major = 0;
    unsigned minor = 0;
    const auto [dot, error] =
        std::from_chars(release.data(), release.data() + release.size(), major);
    if (error != std::errc{} || dot == release.data() + release.size()) return 0;
    std::from_chars(dot + 1, release.data() + release.size(), minor);
    return major * kThousand + minor;
}

Finding kernel(const Host& host) {
    constexpr unsigned kForRings = 5013;
    const std::string& release = host.answers.release;
    if (version_of(release) >= kForRings) return fine(joined({"Linux ", release}));
    return warning(joined({"Linux ", release}),
                   "5.13 or newer is needed for io_uring and --net auto");
}

// VMX is Intel's, SVM is AMD's.
const char* virtualization(const Host& host) {
    const auto text = host.files.text("proc/cpuinfo");
    const auto flags = text.ok() ? value_of(text.value(), "flags") : std::nullopt;
    if (!flags.has_value()) return nullptr;
    return holds_word(*flags, "vmx") ? "vmx" : holds_word(*flags, "svm") ? "svm" : nullptr;
}

// What KVM stands on; kvm_pvm asks nothing of the processor.
bool has_backend(const Host& host) {
    return std::ranges::any_of(
        std::array{"sys/module/kvm_intel", "sys/module/kvm_amd", "sys/module/kvm_pvm"},
        [&](const char* module) { return host.files.has(module); });
}

Finding processor(const Host& host) {
    const char* const kind = virtualization(host);
    if (kind != nullptr) return fine(*kind == 'v' ? "VT-x (vmx)" : "AMD-V (svm)");
    if (host.answers.kvm.open_error == 0 || has_backend(host))
        return fine("neither vmx nor svm, and KVM does without");
    return failure("neither vmx nor svm",
                   "switch on VT-x or AMD-V in the firmware, or nested virtualization in the "
                   "hypervisor above");
}

const char* remedy_for_no_device(const Host& host) {
    if (has_backend(host)) return "mknod /dev/kvm c 10 232, or lend it to this container";
    const char* const kind = virtualization(host);
    if (kind == nullptr) return "see processor";
    return *kind == 'v' ? "modprobe kvm_intel" : "modprobe kvm_amd";
}

Finding kvm_device(const Host& host) {
    const int code = host.answers.kvm.open_error;
    if (code == 0) return fine("/dev/kvm opens");
    const std::string found = with_reason("/dev/kvm", code);
    switch (code) {
        case ENOENT:
        case ENODEV:
        case ENXIO:
            return failure(found, remedy_for_no_device(host));
        case EACCES:
            if (host.answers.kvm.denied_by != nullptr)
                return failure(found, host.answers.kvm.denied_by);
            return failure(found, "usermod -aG kvm USER and log in anew, or be root");
        case EPERM:
            return failure(found, "allow character device 10:232 in this cgroup or container");
        default:
            return failure(found, "see dmesg");
    }
}

std::string listed(const std::vector<const char*>& names) {
    std::string text;
    for (const char* const name : names) text.append(text.empty() ? "" : " ").append(name);
    return text;
}

Finding kvm_api(const Host& host) {
    const KvmSurvey& kvm = host.answers.kvm;
    if (kvm.open_error != 0) return skipped("/dev/kvm does not open");
    if (kvm.version != kKvmApiVersion)
        return failure(joined({"version ", std::to_string(kvm.version), " in place of 12"}),
                       "use a kernel whose KVM is Linux's own");
    if (!kvm.missing.empty())
        return failure(joined({"without ", listed(kvm.missing)}), "use a newer kernel");
    if (!kvm.slower_without.empty())
        return warning(joined({"without ", listed(kvm.slower_without)}),
                       "a newer kernel saves VM exits");
    return fine("version 12, with all capabilities that are used");
}

Finding kvm_vm(const Host& host) {
    constexpr uint64_t kLongUs = 10'000;
    const KvmSurvey& kvm = host.answers.kvm;
    if (kvm.open_error != 0 || kvm.version != kKvmApiVersion) return skipped("no KVM to ask");
    if (kvm.create_error == EBUSY)
        return failure(with_reason("KVM_CREATE_VM", EBUSY),
                       "another hypervisor holds the processor: unload vboxdrv or vmmon");
    if (kvm.create_error != 0)
        return failure(with_reason("KVM_CREATE_VM", kvm.create_error),
                       "see dmesg, and the limits of this cgroup");
    const std::string found = joined({"a VM is made in ", std::to_string(kvm.create_us), " us"});
    if (kvm.create_us <= kLongUs) return fine(found);
    return warning(found, "see cgroup-moves, nx-huge-pages; a busy host is slow as well");
}

Finding seccomp(const Host& host) {
    if (host.answers.seccomp == 0) return fine("filters can be installed");
    return failure(with_reason("seccomp", host.answers.seccomp),
                   "a kernel with CONFIG_SECCOMP_FILTER, or a container that lets seccomp(2) pass");
}

Finding open_files(const Host& host) {
    constexpr uint64_t kForOneVm = 256;
    const uint64_t limit = host.answers.open_files;
    const std::string found =
        limit == UINT64_MAX ? "unlimited" : joined({std::to_string(limit), " at most"});
    if (limit >= kForOneVm) return fine(found);
    return warning(found, "ulimit -n 1024: a large VM opens some 100");
}

// Since then the memory of a ring is the memory cgroup's affair.
Finding locked_memory(const Host& host) {
    constexpr unsigned kUnlocked = 5012;
    constexpr uint64_t kForOneRing = 1 << 20;
    const uint64_t bytes = host.answers.locked_bytes;
    if (version_of(host.answers.release) >= kUnlocked) return fine("no VM locks any");
    const std::string found = joined({std::to_string(bytes >> 10), " KiB"});
    if (bytes >= kForOneRing) return fine(found);
    return warning(found, "ulimit -l 1024: a ring locks its memory");
}

}  // namespace

Findings vm_findings(const Host& host) {
    Findings found;
    found.push_back({"kernel", kernel(host)});
    found.push_back({"processor", processor(host)});
    found.push_back({"kvm-device", kvm_device(host)});
    found.push_back({"kvm-api", kvm_api(host)});
    found.push_back({"kvm-vm", kvm_vm(host)});
    found.push_back({"seccomp", seccomp(host)});
    found.push_back({"open-files", open_files(host)});
    found.push_back({"locked-memory", locked_memory(host)});
    return found;
}
