#include "monitor/boot/acpi.hpp"

#include <array>
#include <cstring>
#include <numeric>
#include <span>

#include "abi/machine.hpp"
#include "monitor/boot/aml.hpp"
#include "monitor/memory/layout.hpp"

namespace {

constexpr uint32_t kMaxVcpus = 32;
constexpr std::array<char, 6> kOemId{'M', 'A', 'Y', 'F', 'L', 'Y'};
constexpr std::array<char, 8> kVendor{'M', 'A', 'Y', 'F', 'L', 'Y', 'V', 'M'};

// §5.2.5.3, Table 5.3
struct [[gnu::packed]] RootSystemDescriptionPointer {
    std::array<char, 8> Signature;    //  0
    uint8_t Checksum;                 //  8  of the first 20 bytes, all that ACPI 1.0 knew
    std::array<char, 6> OEMID;        //  9
    uint8_t Revision;                 // 15
    uint32_t RsdtAddress;             // 16  none: the XSDT replaces it
    uint32_t Length;                  // 20
    uint64_t XsdtAddress;             // 24
    uint8_t ExtendedChecksum;         // 32  of all
    std::array<uint8_t, 3> Reserved;  // 33
};
static_assert(sizeof(RootSystemDescriptionPointer) == 36);
static_assert(layout::kRsdp.value % 16 == 0);

// §5.2.6, Table 5.4
struct [[gnu::packed]] DescriptionHeader {
    std::array<char, 4> Signature;   //  0
    uint32_t Length;                 //  4
    uint8_t Revision;                //  8
    uint8_t Checksum;                //  9
    std::array<char, 6> OEMID;       // 10
    std::array<char, 8> OEMTableID;  // 16
    uint32_t OEMRevision;            // 24
    std::array<char, 4> CreatorID;   // 28
    uint32_t CreatorRevision;        // 32
};
static_assert(sizeof(DescriptionHeader) == 36);

// §5.2.3.2, Table 5.1. All of ours are a byte of I/O space.
struct [[gnu::packed]] GenericAddress {
    uint8_t AddressSpaceId = 1;     //  0  System I/O
    uint8_t RegisterBitWidth = 8;   //  1
    uint8_t RegisterBitOffset = 0;  //  2
    uint8_t AccessSize = 1;         //  3  byte
    uint64_t Address = 0;           //  4
};
static_assert(sizeof(GenericAddress) == 12);

// §5.2.9, Table 5.9: the FADT after its header; offsets are the table's.
struct [[gnu::packed]] FadtBody {
    uint32_t FIRMWARE_CTRL = 0;                  //  36  no FACS: not used with HW_REDUCED_ACPI
    uint32_t DSDT = 0;                           //  40
    std::array<uint8_t, 65> fixed_hardware{};    //  44  ignored with HW_REDUCED_ACPI
    uint16_t IAPC_BOOT_ARCH = 0;                 // 109
    uint8_t reserved = 0;                        // 111
    uint32_t Flags = 0;                          // 112
    GenericAddress RESET_REG{};                  // 116
    uint8_t RESET_VALUE = 0;                     // 128
    uint16_t ARM_BOOT_ARCH = 0;                  // 129
    uint8_t FADT_Minor_Version = 0;              // 131
    uint64_t X_FIRMWARE_CTRL = 0;                // 132
    uint64_t X_DSDT = 0;                         // 140
    std::array<uint8_t, 96> x_fixed_hardware{};  // 148  ignored with HW_REDUCED_ACPI
    GenericAddress SLEEP_CONTROL_REG{};          // 244
    GenericAddress SLEEP_STATUS_REG{};           // 256
    std::array<char, 8> Hypervisor_Vendor{};     // 268
};
static_assert(sizeof(DescriptionHeader) + sizeof(FadtBody) == 276);

// §5.2.9.3. Bit 0 is clear: no devices outside the namespace.
enum BootArchitecture : uint16_t {
    kHas8042 = 1 << 1,  // else a kernel looks for no keyboard, and saves the time
    kVgaNotPresent = 1 << 2,
    kMsiNotSupported = 1 << 3,  // there is no PCI
    kCmosRtcNotPresent = 1 << 5,
};

// Table 5.10. PWR_BUTTON, SLP_BUTTON and FIX_RTC, when set, say that the fixed hardware is absent.
enum FeatureFlags : uint32_t {
    WBINVD = 1 << 0,
    PROC_C1 = 1 << 2,
    PWR_BUTTON = 1 << 4,
    SLP_BUTTON = 1 << 5,
    FIX_RTC = 1 << 6,
    RESET_REG_SUP = 1 << 10,
    HEADLESS = 1 << 12,
    HW_REDUCED_ACPI = 1 << 20,
};

// §5.2.12: the MADT after its header, before its structures.
struct [[gnu::packed]] MadtBody {
    uint32_t LocalInterruptControllerAddress = 0;  // 36
    uint32_t Flags = 0;                            // 40
};
// §5.2.12.2
struct [[gnu::packed]] ProcessorLocalApic {
    uint8_t Type = 0;              // 0
    uint8_t Length = 8;            // 1
    uint8_t ACPIProcessorUID = 0;  // 2
    uint8_t APICID = 0;            // 3
    uint32_t Flags = 1;            // 4  enabled
};
static_assert(sizeof(ProcessorLocalApic) == 8);
// §5.2.12.3
struct [[gnu::packed]] IoApic {
    uint8_t Type = 1;                        // 0
    uint8_t Length = 12;                     // 1
    uint8_t IOAPICID = 0;                    // 2
    uint8_t Reserved = 0;                    // 3
    uint32_t IOAPICAddress = 0;              // 4
    uint32_t GlobalSystemInterruptBase = 0;  // 8
};
static_assert(sizeof(IoApic) == 12);
// §5.2.12.7
struct [[gnu::packed]] LocalApicNmi {
    uint8_t Type = 4;                 // 0
    uint8_t Length = 6;               // 1
    uint8_t ACPIProcessorUID = 0xff;  // 2  all processors
    uint16_t Flags = 0;               // 3  as is usual for an NMI: edge, active high
    uint8_t LocalAPICLINT = 1;        // 5
};
static_assert(sizeof(LocalApicNmi) == 6);

uint8_t checksum(std::span<const std::byte> bytes) {
    const auto add = [](uint32_t sum, std::byte b) { return sum + std::to_integer<uint32_t>(b); };
    return static_cast<uint8_t>(0 - std::accumulate(bytes.begin(), bytes.end(), uint32_t{0}, add));
}

// The tables as they will lie in guest memory from kAcpiTables up, made here and copied at once:
// the guest's page is touched one time.
class TablePage {
public:
    // Starts a table on the next multiple of eight: begin, fill (append, room and commit), end.
    void begin(std::array<char, 4> signature, uint8_t revision) {
        start_ = (size_ + 7) & ~size_t{7};
        size_ = start_;
        append(DescriptionHeader{.Signature = signature,
                                 .Length = 0,
                                 .Revision = revision,
                                 .Checksum = 0,
                                 .OEMID = kOemId,
                                 .OEMTableID = kVendor,
                                 .OEMRevision = 1,
                                 .CreatorID = {'M', 'A', 'Y', 'F'},
                                 .CreatorRevision = 1});
    }

    template <GuestPod T>
    void append(const T& part) {
        if (sizeof(part) > room().size()) {
            overflow_ = true;
            return;
        }
        std::memcpy(room().data(), &part, sizeof(part));
        size_ += sizeof(part);
    }

    std::span<std::byte> room() { return std::span(bytes_).subspan(size_); }
    void commit(size_t bytes) { size_ += bytes; }

    // Fills in Length and Checksum. Returns where the guest will find the table. Errors: ENOSPC.
    Result<GuestAddress> end() {
        if (overflow_) return Error{"ACPI tables", ENOSPC, "do not fit a page", size_};
        const auto table = std::span(bytes_).subspan(start_, size_ - start_);
        const auto length = static_cast<uint32_t>(table.size());
        std::memcpy(table.data() + offsetof(DescriptionHeader, Length), &length, sizeof(length));
        table[offsetof(DescriptionHeader, Checksum)] = std::byte{checksum(table)};
        return layout::kAcpiTables + start_;
    }

    std::span<const std::byte> bytes() const { return std::span(bytes_).first(size_); }

private:
    std::array<std::byte, layout::kPageSize> bytes_{};
    size_t start_ = 0;
    size_t size_ = 0;
    bool overflow_ = false;
};
static_assert(layout::kAcpiTables.value % layout::kPageSize == 0);
static_assert(layout::kAcpiTables.value + layout::kPageSize <= layout::kRsdp.value);

struct SerialPort {
    AmlName name;
    uint16_t base = 0;
    uint32_t gsi = 0;
};
constexpr std::array kSerialPorts = {SerialPort{"COM1", layout::kSerialPort, layout::kSerialGsi},
                                     SerialPort{"COM2", layout::kBellPort, layout::kBellGsi}};

// With IAPC_BOOT_ARCH as it is, this is where a kernel learns of a port's interrupt.
void describe_serial_port(AmlWriter& aml, uint32_t number) {
    const SerialPort& port = kSerialPorts[number];
    aml.device(port.name, [&] {
        aml.name_integer("_HID", eisa_id("PNP0501"));
        aml.name_integer("_UID", number);
        aml.name_resources("_CRS", [&] {
            aml.io_ports(port.base, 8);
            aml.isa_irq(port.gsi);
        });
    });
}

// Its resources are those of a PC: the data port, the command port, IRQ 1.
void describe_keyboard(AmlWriter& aml) {
    aml.device("KBD_", [&] {
        aml.name_integer("_HID", eisa_id("PNP0303"));
        aml.name_resources("_CRS", [&] {
            aml.io_ports(layout::kI8042Data, 1);
            aml.io_ports(layout::kI8042Command, 1);
            aml.isa_irq(layout::kKeyboardGsi);
        });
    });
}

// One virtio-mmio window. Interrupts arrive as the pulse of an eventfd: an edge, and with a line
// for each device there is nothing to share. _CCA (§6.2.17): the device sees the caches.
void describe_virtio_slot(AmlWriter& aml, uint32_t slot) {
    aml.device(AmlName("VD__").numbered(slot), [&] {
        aml.name_string("_HID", "LNRO0005");
        aml.name_integer("_UID", slot);
        aml.name_integer("_CCA", 1);
        aml.name_resources("_CRS", [&] {
            const GuestAddress window = layout::kVirtioMmio + slot * layout::kVirtioMmioSize;
            aml.memory32_fixed(static_cast<uint32_t>(window.value), layout::kVirtioMmioSize);
            aml.interrupt(layout::kFirstVirtioGsi + slot);
        });
    });
}

// §5.2.11.1. Revision 2: integers of 64 bits.
Result<GuestAddress> add_dsdt(TablePage& page, const PlatformDevices& devices) {
    page.begin({'D', 'S', 'D', 'T'}, 2);
    AmlWriter aml(page.room());
    aml.scope("_SB_", [&] {
        for (uint32_t port = 0; port < devices.serial_ports; ++port)
            describe_serial_port(aml, port);
        if (devices.keyboard) describe_keyboard(aml);
        for (uint32_t slot = 0; slot < devices.virtio_devices; ++slot)
            describe_virtio_slot(aml, slot);
    });
    // §7.4.2: the sleep type, the same for the second PM1 block (there is none), two reserved.
    aml.name_package("_S5_", {layout::kSleepTypeS5, 0, 0, 0});
    page.commit(TRY(aml.finish()));
    return page.end();
}

Result<GuestAddress> add_fadt(TablePage& page, GuestAddress dsdt, bool keyboard) {
    const unsigned i8042 = keyboard ? kHas8042 : 0;
    page.begin({'F', 'A', 'C', 'P'}, 6);
    page.append(FadtBody{
        .DSDT = static_cast<uint32_t>(dsdt.value),
        .IAPC_BOOT_ARCH =
            static_cast<uint16_t>(kVgaNotPresent | kMsiNotSupported | kCmosRtcNotPresent | i8042),
        .Flags = WBINVD | PROC_C1 | PWR_BUTTON | SLP_BUTTON | FIX_RTC | RESET_REG_SUP | HEADLESS |
                 HW_REDUCED_ACPI,
        .RESET_REG = {.Address = layout::kI8042Command},
        .RESET_VALUE = guest_abi::kPulseReset,
        .FADT_Minor_Version = 4,
        .X_DSDT = dsdt.value,
        .SLEEP_CONTROL_REG = {.Address = layout::kSleepControlPort},
        .SLEEP_STATUS_REG = {.Address = layout::kSleepStatusPort},
        .Hypervisor_Vendor = kVendor,
    });
    return page.end();
}

// Flags are 0: no PCAT_COMPAT, as a hardware-reduced guest has no use for KVM's 8259s. Every GSI is
// the IOAPIC's input of that number, so there is no Interrupt Source Override.
Result<GuestAddress> add_madt(TablePage& page, uint32_t vcpus) {
    page.begin({'A', 'P', 'I', 'C'}, 5);
    page.append(MadtBody{
        .LocalInterruptControllerAddress = static_cast<uint32_t>(layout::kLocalApic.value),
        .Flags = 0,
    });
    for (uint32_t n = 0; n < vcpus; ++n) {
        const auto id = static_cast<uint8_t>(n);
        page.append(ProcessorLocalApic{.ACPIProcessorUID = id, .APICID = id});
    }
    // The same id as in the MP table: the first that no local APIC has.
    page.append(IoApic{.IOAPICID = static_cast<uint8_t>(vcpus),
                       .IOAPICAddress = static_cast<uint32_t>(layout::kIoApic.value)});
    page.append(LocalApicNmi{});
    return page.end();
}

Result<> write_rsdp(const GuestMemory& memory, GuestAddress xsdt) {
    RootSystemDescriptionPointer rsdp{
        .Signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
        .Checksum = 0,
        .OEMID = kOemId,
        .Revision = 2,
        .RsdtAddress = 0,
        .Length = sizeof(RootSystemDescriptionPointer),
        .XsdtAddress = xsdt.value,
        .ExtendedChecksum = 0,
        .Reserved = {},
    };
    const auto bytes = std::as_bytes(std::span(&rsdp, 1));
    rsdp.Checksum = checksum(bytes.first(20));
    rsdp.ExtendedChecksum = checksum(bytes);
    return memory.write(layout::kRsdp, rsdp);
}

}  // namespace

Result<> write_acpi_tables(const GuestMemory& memory, const PlatformDevices& devices) {
    if (devices.vcpus == 0 || devices.vcpus > kMaxVcpus)
        return Error{"ACPI vcpus", EINVAL, "use 1 to 32", devices.vcpus};
    if (devices.virtio_devices > layout::kMaxVirtioDevices)
        return Error{"ACPI virtio devices", EINVAL, "use at most 19", devices.virtio_devices};
    if (devices.serial_ports > kSerialPorts.size())
        return Error{"ACPI serial ports", EINVAL, "use at most 2", devices.serial_ports};
    static_assert(layout::kMaxVirtioDevices == 19);

    TablePage page;
    const GuestAddress dsdt = TRY(add_dsdt(page, devices));
    const GuestAddress fadt = TRY(add_fadt(page, dsdt, devices.keyboard));
    const GuestAddress madt = TRY(add_madt(page, devices.vcpus));
    page.begin({'X', 'S', 'D', 'T'}, 1);
    page.append(fadt.value);
    page.append(madt.value);
    const GuestAddress xsdt = TRY(page.end());

    TRY(memory.write_bytes(layout::kAcpiTables, page.bytes()));
    return write_rsdp(memory, xsdt);
}
