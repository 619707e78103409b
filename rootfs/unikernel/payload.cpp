#include "rootfs/unikernel/payload.hpp"

#include "rootfs/unikernel/instructions.hpp"
#include "rootfs/unikernel/pattern.hpp"
#include "rootfs/unikernel/platform.hpp"
#include "rootfs/unikernel/serial.hpp"

namespace payload {
namespace {

constexpr char kEndOfTransmission = 0x04;

}  // namespace

void fill(uint64_t mib, View<const hvm_memmap_table_entry> map, const Clock& clock,
          View<char> buffer) {
    const uint64_t start = read_tsc();
    const uint64_t wanted = mib * platform::kMebibyte;
    uint64_t filled = 0;
    for (const hvm_memmap_table_entry& entry : map) {
        if (entry.type != XEN_HVM_MEMMAP_TYPE_RAM) continue;
        uint64_t at = entry.addr < platform::kFreeMemory ? platform::kFreeMemory : entry.addr;
        const uint64_t end = entry.addr + entry.size;
        for (; at < end && filled < wanted; at += platform::kPageSize) {
            store64(at, at);
            filled += platform::kPageSize;
        }
    }
    Text line(buffer);
    line.add("fill: ").add(filled / platform::kMebibyte).add(" of ").add(mib).add(" MiB in ");
    clock.describe(read_tsc() - start, line);
    serial::write(line.add("\n").view());
}

void print(uint64_t lines, View<char> buffer) {
    const uint64_t lines_at_once = buffer.size() / kPatternLineBytes;
    for (uint64_t number = 0; number < lines;) {
        Text text(buffer);
        for (uint64_t i = 0; i < lines_at_once && number < lines; ++i) {
            add_pattern_line(number++, text);
        }
        serial::write(text.view());
    }
}

void sum(uint64_t bytes, View<char> buffer) {
    serial::enable_input();
    uint64_t hash = kFnv1aBasis;
    for (uint64_t i = 0; i < bytes; ++i) hash = fnv1a(hash, serial::read());
    Text line(buffer);
    line.add("sum: ").add(bytes).add(" bytes, FNV-1a ").add_hex(hash).add("\n");
    serial::write(line.view());
}

void echo() {
    serial::enable_input();
    for (;;) {
        const char byte = static_cast<char>(serial::read());
        if (byte == kEndOfTransmission) return;
        serial::write({&byte, 1});
    }
}

}  // namespace payload
