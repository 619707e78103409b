// What the API may change of the devices of a VM that runs. Its thread asks, and the I/O thread,
// whose devices they are, does it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/io_calls.hpp"
#include "base/result.hpp"
#include "monitor/machine/virtio_devices.hpp"

class DeviceUpdates {
public:
    // Joins `loop`; that and `devices` outlive it. Before the loop starts. Errors: as
    // IoCalls::create().
    static Result<DeviceUpdates> create(const VirtioDevices& devices, IoLoop& loop);

    // The number of a drive or NIC is that in the Config.

    // The drive's file is `path` from now on, or, if it is that already, is looked at anew: it may
    // have another size. The guest is told. Errors: as Disk::open(), about `path`; as
    // IoCalls::make().
    Result<> change_drive(size_t number, const std::string& path);
    Result<> limit_drive(size_t number, const RateLimiterConfig& limits);
    Result<> limit_nic(size_t number, const RateLimiterConfig& receive,
                       const RateLimiterConfig& transmit);

    // Disks and NICs begin nothing until they may go on, and stand still: of what they have begun,
    // disks have ended all, and NICs have ended it or begin it anew. Errors: as IoCalls::make();
    // EBUSY: a device does not come to an end.
    Result<> hold();
    Result<> go_on() { return set_held(false); }

    // As VirtioDevices::save(), after hold(). Errors: as IoCalls::make(), too.
    Result<std::vector<VirtioDeviceState>> save();

private:
    Result<> set_held(bool holds);
    DeviceUpdates(const VirtioDevices& devices, std::unique_ptr<IoCalls> calls)
        : devices_(&devices), calls_(std::move(calls)) {}

    const VirtioDevices* devices_;
    std::unique_ptr<IoCalls> calls_;
};
