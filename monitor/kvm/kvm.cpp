#include "monitor/kvm/kvm.hpp"

#include <fcntl.h>

#include "base/denied_device.hpp"
#include "monitor/kvm/ioctl.hpp"

namespace {

constexpr const char* kPath = "/dev/kvm";

const char* open_hint(int code) {
    switch (code) {
        case ENOENT:
        case ENODEV:
        case ENXIO:
            return "this machine offers no KVM; enable virtualization (or nested virtualization) "
                   "and load kvm_intel or kvm_amd";
        case EACCES:
        case EPERM:
            return hint_to_denied_device(kPath, "add your user to the group kvm, or run as root");
        default:
            return nullptr;
    }
}

}  // namespace

Result<Kvm> Kvm::open() {
    UniqueFd fd(::open(kPath, O_RDWR | O_CLOEXEC));
    if (!fd) return Error::from_errno("open", open_hint(errno)).about(kPath);
    const int version = TRY(kvm_ioctl(fd.get(), kvm_request::kGetApiVersion));
    if (version != KVM_API_VERSION)
        return Error{"KVM API version", 0, "is not 12", static_cast<uint64_t>(version)};
    return Kvm{std::move(fd)};
}

Result<Kvm> Kvm::duplicate() const {
    UniqueFd fd(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
    if (!fd) return Error::from_errno("fcntl(F_DUPFD)").about("/dev/kvm");
    return Kvm{std::move(fd)};
}

Result<UniqueFd> Kvm::create_vm() const {
    return UniqueFd(TRY(kvm_ioctl(fd_.get(), kvm_request::kCreateVm)));
}

Result<Cpuid> Kvm::supported_cpuid() const {
    auto cpuid = std::make_unique<KvmCpuid>();
    cpuid->header.nent = KvmCpuid::kMaxEntries;
    TRY(kvm_ioctl(fd_.get(), kvm_request::kGetSupportedCpuid, *cpuid));
    return Cpuid{std::move(cpuid)};
}

Result<size_t> Kvm::vcpu_mapping_size() const {
    return static_cast<size_t>(TRY(kvm_ioctl(fd_.get(), kvm_request::kGetVcpuMmapSize)));
}
