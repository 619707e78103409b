// Port writes that KVM gathers in a ring instead of leaving the guest for each
// (KVM_CAP_COALESCED_PIO, Linux Documentation/virt/kvm/api.rst §4.116). The ring is drained
// whenever the guest leaves for another reason, so that order is kept.
//
// For guests that are known to look at a register of the port after they have written to it: user64
// guests, whose rules say so, and Linux, which reads LSR before each byte of its console and IIR
// after each interrupt's worth of its terminal. A guest that writes and then waits for the
// interrupt that answers, without a look, would wait for ever.
//
// A view into the vCPU's mapping, on the boot vCPU's thread. All vCPUs share the ring, and it has
// one reader: so only for guests of which one vCPU runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

class VcpuAccesses;

class CoalescedOutput {
public:
    // `page` is the ring's page in the vCPU's mapping.
    explicit CoalescedOutput(std::span<std::byte> page) : page_(page) {}

    // Hands every gathered write to `accesses.port_out`, neighbours to one port as one call.
    void drain(VcpuAccesses& accesses) const;

private:
    struct Ring;
    Ring& ring() const;

    std::span<std::byte> page_;
};
