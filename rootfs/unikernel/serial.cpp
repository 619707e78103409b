#include "rootfs/unikernel/serial.hpp"

#include "abi/machine.hpp"
#include "rootfs/unikernel/instructions.hpp"

namespace serial {
namespace {

// PC16550D data sheet, §8: the registers, and the bits of MCR and LSR.
constexpr uint16_t kReceiveBuffer = guest_abi::kCom1 + 0;    // RBR, r
constexpr uint16_t kTransmitHolding = guest_abi::kCom1 + 0;  // THR, w
constexpr uint16_t kModemControl = guest_abi::kCom1 + 4;     // MCR, rw
constexpr uint16_t kLineStatus = guest_abi::kCom1 + 5;       // LSR, r

constexpr uint8_t kDataTerminalReady = 1 << 0;  // MCR
constexpr uint8_t kRequestToSend = 1 << 1;      // MCR
constexpr uint8_t kDataReady = 1 << 0;          // LSR

}  // namespace

void write(StringView bytes) {
    out_string(kTransmitHolding, bytes);
    // A monitor may let KVM collect these writes and look at them when the guest next leaves for
    // another reason (KVM_CAP_COALESCED_PIO). A read is such a reason.
    in8(kLineStatus);
}

void enable_input() {
    out8(kModemControl, kDataTerminalReady | kRequestToSend);
}

uint8_t read() {
    while ((in8(kLineStatus) & kDataReady) == 0) relax();
    return in8(kReceiveBuffer);
}

}  // namespace serial
