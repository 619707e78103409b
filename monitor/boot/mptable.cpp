#include "monitor/boot/mptable.hpp"

#include <array>
#include <cstring>
#include <numeric>

#include "monitor/memory/layout.hpp"

namespace {

constexpr uint32_t kMaxVcpus = 32;
constexpr uint8_t kSpecRevision = 4;  // 1.4
constexpr uint8_t kIsaBusId = 0;
// What KVM's models report in their version registers.
constexpr uint8_t kLocalApicVersion = 0x14;
constexpr uint8_t kIoApicVersion = 0x11;

// §4.1, Table 4-1
struct [[gnu::packed]] FloatingPointer {
    std::array<char, 4> SIGNATURE;         //  0
    uint32_t PHYSICAL_ADDRESS_POINTER;     //  4  of the configuration table
    uint8_t LENGTH;                        //  8  of this structure, in 16 bytes
    uint8_t SPEC_REV;                      //  9
    uint8_t CHECKSUM;                      // 10
    std::array<uint8_t, 5> FEATURE_BYTES;  // 11  all 0: there is a table, and no IMCR
};
static_assert(sizeof(FloatingPointer) == 16);

// §4.2, Table 4-2
struct [[gnu::packed]] ConfigurationHeader {
    std::array<char, 4> SIGNATURE;    //  0
    uint16_t BASE_TABLE_LENGTH;       //  4  bytes, with this header
    uint8_t SPEC_REV;                 //  6
    uint8_t CHECKSUM;                 //  7  of the base table
    std::array<char, 8> OEM_ID;       //  8
    std::array<char, 12> PRODUCT_ID;  // 16
    uint32_t OEM_TABLE_POINTER;       // 28
    uint16_t OEM_TABLE_SIZE;          // 32
    uint16_t ENTRY_COUNT;             // 34
    uint32_t ADDRESS_OF_LOCAL_APIC;   // 36
    uint16_t EXTENDED_TABLE_LENGTH;   // 40
    uint8_t EXTENDED_TABLE_CHECKSUM;  // 42
    uint8_t RESERVED;                 // 43
};
static_assert(sizeof(ConfigurationHeader) == 44);

// §4.3.1, Table 4-4
struct [[gnu::packed]] ProcessorEntry {
    uint8_t ENTRY_TYPE;               // 0
    uint8_t LOCAL_APIC_ID;            // 1
    uint8_t LOCAL_APIC_VERSION;       // 2
    uint8_t CPU_FLAGS;                // 3  bit 0: usable, bit 1: the bootstrap processor
    uint32_t CPU_SIGNATURE;           // 4  stepping 3:0, model 7:4, family 11:8
    uint32_t FEATURE_FLAGS;           // 8  as CPUID.1:EDX
    std::array<uint8_t, 8> RESERVED;  // 12
};
static_assert(sizeof(ProcessorEntry) == 20);

// §4.3.2, Table 4-7
struct [[gnu::packed]] BusEntry {
    uint8_t ENTRY_TYPE;                   // 0
    uint8_t BUS_ID;                       // 1
    std::array<char, 6> BUS_TYPE_STRING;  // 2
};
static_assert(sizeof(BusEntry) == 8);

// §4.3.3, Table 4-9
struct [[gnu::packed]] IoApicEntry {
    uint8_t ENTRY_TYPE;           // 0
    uint8_t IO_APIC_ID;           // 1
    uint8_t IO_APIC_VERSION;      // 2
    uint8_t IO_APIC_FLAGS;        // 3  bit 0: usable
    uint32_t ADDRESS_OF_IO_APIC;  // 4
};
static_assert(sizeof(IoApicEntry) == 8);

// §4.3.4, Table 4-10 (I/O) and §4.3.5, Table 4-12 (local): one shape
struct [[gnu::packed]] InterruptEntry {
    uint8_t ENTRY_TYPE;           // 0
    uint8_t INTERRUPT_TYPE;       // 1
    uint16_t INTERRUPT_FLAGS;     // 2  polarity 1:0, trigger mode 3:2; 0: as is usual for the bus
    uint8_t SOURCE_BUS_ID;        // 4
    uint8_t SOURCE_BUS_IRQ;       // 5
    uint8_t DESTINATION_APIC_ID;  // 6
    uint8_t DESTINATION_APIC_INTIN;  // 7
};
static_assert(sizeof(InterruptEntry) == 8);

// §4.3, Table 4-3: entries come in ascending order of their type.
enum EntryType : uint8_t {
    kProcessor = 0,
    kBus = 1,
    kIoApicType = 2,
    kIoInterrupt = 3,
    kLocalInterrupt = 4,
};
// Table 4-11
enum InterruptType : uint8_t { kInt = 0, kNmi = 1, kExtInt = 3 };
constexpr uint16_t kActiveHighEdge = 1 << 0 | 1 << 2;
constexpr uint8_t kEveryLocalApic = 0xff;

static_assert(sizeof(FloatingPointer) + sizeof(ConfigurationHeader) +
                      kMaxVcpus * sizeof(ProcessorEntry) + sizeof(BusEntry) + sizeof(IoApicEntry) +
                      (layout::kLastGsi + 1 + 2) * sizeof(InterruptEntry) <=
                  layout::kMpTableMaxBytes,
              "the largest table fits its place");
static_assert(layout::kMpTable.value % 16 == 0, "§4: the floating pointer is 16-byte aligned");

uint8_t checksum(std::span<const uint8_t> bytes) {
    return static_cast<uint8_t>(-std::accumulate(bytes.begin(), bytes.end(), 0));
}

// The table as it will lie in guest memory, in a buffer that the static_assert above measured.
class MpTable {
public:
    template <GuestPod T>
    void add(const T& entry) {
        std::memcpy(bytes_.data() + size_, &entry, sizeof(entry));
        size_ += sizeof(entry);
        ++entries_;
    }

    // Fills in what precedes the entries.
    std::span<const uint8_t> finish() {
        ConfigurationHeader header{
            .SIGNATURE = {'P', 'C', 'M', 'P'},
            .BASE_TABLE_LENGTH = static_cast<uint16_t>(size_ - kHeaderAt),
            .SPEC_REV = kSpecRevision,
            .CHECKSUM = 0,
            .OEM_ID = {'M', 'A', 'Y', 'F', 'L', 'Y', ' ', ' '},
            .PRODUCT_ID = {'M', 'I', 'C', 'R', 'O', 'V', 'M', ' ', ' ', ' ', ' ', ' '},
            .OEM_TABLE_POINTER = 0,
            .OEM_TABLE_SIZE = 0,
            .ENTRY_COUNT = entries_,
            .ADDRESS_OF_LOCAL_APIC = static_cast<uint32_t>(layout::kLocalApic.value),
            .EXTENDED_TABLE_LENGTH = 0,
            .EXTENDED_TABLE_CHECKSUM = 0,
            .RESERVED = 0,
        };
        std::memcpy(bytes_.data() + kHeaderAt, &header, sizeof(header));
        header.CHECKSUM = checksum(std::span(bytes_).subspan(kHeaderAt, size_ - kHeaderAt));
        std::memcpy(bytes_.data() + kHeaderAt, &header, sizeof(header));

        FloatingPointer pointer{
            .SIGNATURE = {'_', 'M', 'P', '_'},
            .PHYSICAL_ADDRESS_POINTER = static_cast<uint32_t>(layout::kMpTable.value + kHeaderAt),
            .LENGTH = sizeof(FloatingPointer) / 16,
            .SPEC_REV = kSpecRevision,
            .CHECKSUM = 0,
            .FEATURE_BYTES = {},
        };
        std::memcpy(bytes_.data(), &pointer, sizeof(pointer));
        pointer.CHECKSUM = checksum(std::span(bytes_).first(sizeof(pointer)));
        std::memcpy(bytes_.data(), &pointer, sizeof(pointer));
        return std::span(bytes_).first(size_);
    }

private:
    static constexpr size_t kHeaderAt = sizeof(FloatingPointer);

    std::array<uint8_t, layout::kMpTableMaxBytes> bytes_{};
    size_t size_ = kHeaderAt + sizeof(ConfigurationHeader);
    uint16_t entries_ = 0;
};

ProcessorEntry processor(uint8_t apic_id) {
    return {
        .ENTRY_TYPE = kProcessor,
        .LOCAL_APIC_ID = apic_id,
        .LOCAL_APIC_VERSION = kLocalApicVersion,
        .CPU_FLAGS = static_cast<uint8_t>(apic_id == 0 ? 0b11 : 0b01),
        // Family 6. Kernels print both fields at most and believe CPUID.
        .CPU_SIGNATURE = 0x600,
        .FEATURE_FLAGS = 1 << 0 | 1 << 8 | 1 << 9,  // FPU, CX8, APIC
        .RESERVED = {},
    };
}

}  // namespace

Result<> write_mp_table(const GuestMemory& memory, uint32_t vcpus) {
    if (vcpus == 0 || vcpus > kMaxVcpus)
        return Error{"MP table vcpus", EINVAL, "use 1 to 32", vcpus};
    // The first id that no local APIC has: §4.3.3 wants all of them different.
    const auto io_apic_id = static_cast<uint8_t>(vcpus);

    MpTable table;
    for (uint32_t id = 0; id < vcpus; ++id) table.add(processor(static_cast<uint8_t>(id)));
    table.add(BusEntry{kBus, kIsaBusId, {'I', 'S', 'A', ' ', ' ', ' '}});
    table.add(IoApicEntry{kIoApicType, io_apic_id, kIoApicVersion, 1,
                          static_cast<uint32_t>(layout::kIoApic.value)});
    // KVM wires GSI n to input n, the timer's 0 among them. Inputs 16 to 23 have no ISA interrupt
    // by that name, but a kernel hands out the numbers it finds here, and `virtio_mmio.device=`
    // on the command line means such a number.
    for (uint8_t gsi = 0; gsi <= layout::kLastGsi; ++gsi)
        table.add(
            InterruptEntry{kIoInterrupt, kInt, kActiveHighEdge, kIsaBusId, gsi, io_apic_id, gsi});
    // The PIC's output goes to the bootstrap processor, NMI to all.
    table.add(InterruptEntry{kLocalInterrupt, kExtInt, 0, kIsaBusId, 0, 0, 0});
    table.add(InterruptEntry{kLocalInterrupt, kNmi, 0, kIsaBusId, 0, kEveryLocalApic, 1});
    return memory.write_bytes(layout::kMpTable, std::as_bytes(table.finish()));
}
