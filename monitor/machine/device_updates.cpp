#include "monitor/machine/device_updates.hpp"

#include <sys/stat.h>

#include "base/monotonic_clock.hpp"
#include "base/while_busy.hpp"

namespace {

bool is_at(const std::string& path, const FileIdentity& file) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 &&
           file == FileIdentity{.device = status.st_dev, .number = status.st_ino};
}

}  // namespace

Result<DeviceUpdates> DeviceUpdates::create(const VirtioDevices& devices, IoLoop& loop) {
    return DeviceUpdates{devices, TRY(IoCalls::create(loop))};
}

Result<> DeviceUpdates::change_drive(size_t number, const std::string& path) {
    Block& block = *devices_->blocks()[number];
    FileIdentity file;
    DiskAccess access{};
    DiskSharing sharing{};
    bool is_changing = false;
    TRY(calls_->make([&] {
        is_changing = block.is_changing_disk();
        file = block.disk().identity();
        access = block.disk().access();
        sharing = block.disk().sharing();
    }));
    if (is_changing) return Error{"disk", EBUSY, "the last change is not done yet"};
    if (is_at(path, file)) {
        const uint64_t size_bytes = TRY(Disk::size_at(path.c_str(), access));
        return calls_->make([&] { block.resize(size_bytes); });
    }
    Disk disk = TRY(Disk::open(path.c_str(), access, Patience::kOfRequest, sharing));
    Result<> replaced = Ok{};
    TRY(calls_->make([&] { replaced = block.replace_disk(std::move(disk)); }));
    return replaced;
}

Result<> DeviceUpdates::limit_drive(size_t number, const RateLimiterConfig& limits) {
    return calls_->make([&] { devices_->blocks()[number]->change_limits(limits, monotonic_ns()); });
}

Result<> DeviceUpdates::limit_nic(size_t number, const RateLimiterConfig& receive,
                                  const RateLimiterConfig& transmit) {
    return calls_->make([&] {
        Net& net = *devices_->nets()[number];
        net.change_receive_limits(receive, monotonic_ns());
        net.change_transmit_limits(transmit, monotonic_ns());
    });
}

Result<> DeviceUpdates::set_held(bool holds) {
    return calls_->make([&] { devices_->hold(holds); });
}

Result<std::vector<VirtioDeviceState>> DeviceUpdates::save() {
    Result<std::vector<VirtioDeviceState>> saved = std::vector<VirtioDeviceState>();
    TRY(calls_->make([&] { saved = devices_->save(monotonic_ns()); }));
    return saved;
}

Result<> DeviceUpdates::hold() {
    TRY(set_held(true));
    Result<> asked = Ok{};
    const auto are_still = [&] {
        bool still = true;
        asked = calls_->make([&] { still = devices_->are_still(); });
        errno = EBUSY;
        return asked.ok() && !still ? -1 : 0;
    };
    // As a rule it takes two rounds of the loop, and each look is one.
    constexpr int kQuickLooks = 3;
    for (int i = 0; i < kQuickLooks; ++i)
        if (are_still() == 0) return asked;
    constexpr int kLooks = 2000;  // 5 ms apart: a flush of much takes seconds, as for IoCalls
    if (const int code = while_busy(are_still, EBUSY, kLooks); code != 0)
        return Error{"disk or NIC", code, "its requests do not end"};
    return asked;
}
