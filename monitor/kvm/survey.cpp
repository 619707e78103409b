#include "monitor/kvm/survey.hpp"

#include <fcntl.h>

#include <array>

#include "base/denied_device.hpp"
#include "base/monotonic_clock.hpp"
#include "base/unique_fd.hpp"
#include "monitor/kvm/ioctl.hpp"

namespace {

static_assert(kKvmApiVersion == KVM_API_VERSION);

struct Capability {
    unsigned long number;
    const char* name;
};

constexpr std::array kNeeded{
    Capability{KVM_CAP_USER_MEMORY, "USER_MEMORY"},
    Capability{KVM_CAP_IRQCHIP, "IRQCHIP"},
    Capability{KVM_CAP_SET_TSS_ADDR, "SET_TSS_ADDR"},
    Capability{KVM_CAP_SET_IDENTITY_MAP_ADDR, "SET_IDENTITY_MAP_ADDR"},
    Capability{KVM_CAP_EXT_CPUID, "EXT_CPUID"},
    Capability{KVM_CAP_PIT2, "PIT2"},
    Capability{KVM_CAP_PIT_STATE2, "PIT_STATE2"},
    Capability{KVM_CAP_IRQFD, "IRQFD"},
    Capability{KVM_CAP_IOEVENTFD, "IOEVENTFD"},
    Capability{KVM_CAP_READONLY_MEM, "READONLY_MEM"},
    Capability{KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT"},
};
constexpr std::array kHelpful{
    Capability{KVM_CAP_COALESCED_PIO, "COALESCED_PIO"},  // serial output, many bytes an exit
    Capability{KVM_CAP_KVMCLOCK_CTRL, "KVMCLOCK_CTRL"},  // a pause is no soft lock-up
};

bool has(const UniqueFd& kvm, const Capability& capability) {
    const auto answer = kvm_ioctl(kvm.get(), kvm_request::kCheckExtension, capability.number);
    return answer.ok() && answer.value() > 0;
}

}  // namespace

KvmSurvey survey_kvm() {
    KvmSurvey survey;
    const UniqueFd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
    if (!kvm) {
        survey.open_error = errno;
        if (errno == EACCES) survey.denied_by = hint_to_denied_device("/dev/kvm", nullptr);
        return survey;
    }
    const auto version = kvm_ioctl(kvm.get(), kvm_request::kGetApiVersion);
    survey.version = version.ok() ? version.value() : 0;
    if (survey.version != kKvmApiVersion) return survey;
    for (const Capability& capability : kNeeded)
        if (!has(kvm, capability)) survey.missing.push_back(capability.name);
    for (const Capability& capability : kHelpful)
        if (!has(kvm, capability)) survey.slower_without.push_back(capability.name);
    constexpr uint64_t kNanosecondsPerMicrosecond = 1000;
    const uint64_t before_ns = monotonic_ns();
    const auto vm = kvm_ioctl(kvm.get(), kvm_request::kCreateVm);
    survey.create_us = (monotonic_ns() - before_ns) / kNanosecondsPerMicrosecond;
    if (vm.ok())
        static_cast<void>(UniqueFd(vm.value()));
    else
        survey.create_error = vm.error().code;
    return survey;
}
