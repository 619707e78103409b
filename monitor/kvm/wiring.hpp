// Which events are a VM's interrupts, and which of its writes are events: gathered while devices
// are made, connected when the VM is there, which may be later. Owned by the machine; one thread.
#pragma once

#include <vector>

#include "base/event_fd.hpp"
#include "base/result.hpp"
#include "monitor/kvm/vm.hpp"

class Wiring {
public:
    // As Vm::connect_interrupt(). `event` lives until connect() has returned, and as long as the
    // guest runs.
    void interrupt(const EventFd& event, Gsi gsi) { interrupts_.push_back({event.fd(), gsi}); }

    // As Vm::connect_write(), likewise.
    void write(const EventFd& event, GuestAddress at, uint32_t value) {
        writes_.push_back({event.fd(), at, value});
    }

    // Once. `vm` has its interrupt controller. Errors: KVM's.
    Result<> connect(const Vm& vm) const {
        for (const Interrupt& it : interrupts_) TRY(vm.connect_interrupt(it.event, it.gsi));
        for (const Write& it : writes_) TRY(vm.connect_write(it.event, it.at, it.value));
        return Ok{};
    }

private:
    struct Interrupt {
        int event;
        Gsi gsi;
    };
    struct Write {
        int event;
        GuestAddress at;
        uint32_t value;
    };

    std::vector<Interrupt> interrupts_;
    std::vector<Write> writes_;
};
