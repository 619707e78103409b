#include "monitor/boot/elf_image.hpp"

#include <algorithm>
#include <array>
#include <elf.h>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "monitor/boot/elf_notes.hpp"
#include "monitor/memory/layout.hpp"

namespace {

constexpr uint16_t kMaxProgramHeaders = 64;

// Where Linux' own 64-bit bzImage header has it: arch/x86/boot/header.S, initrd_addr_max.
constexpr uint32_t kInitrdAddressMax = 0x7fffffff;

constexpr const char* kCutShort = "reaches past the end of the file; is it cut short?";

struct Elf64 {
    using Header = Elf64_Ehdr;
    using Segment = Elf64_Phdr;
    static constexpr uint16_t kMachine = EM_X86_64;
    static constexpr const char* kOtherMachine = "is not an x86-64 kernel";
    static constexpr const char* kOtherSegment = "must be 0x38";
};

struct Elf32 {
    using Header = Elf32_Ehdr;
    using Segment = Elf32_Phdr;
    static constexpr uint16_t kMachine = EM_386;
    static constexpr const char* kOtherMachine = "is not an i386 kernel";
    static constexpr const char* kOtherSegment = "must be 0x20";
};

// What the loader takes from the file's headers, of either class.
struct ElfFile {
    uint64_t entry;
    std::vector<Elf64_Phdr> headers;
    bool is_64_bit;
};

struct FieldRule {
    const char* field;
    uint64_t found;
    uint64_t wanted;
    const char* hint;
};

template <typename Class>
Result<typename Class::Header> read_header(const Image& image) {
    typename Class::Header header;
    if (image.size() < sizeof(header))
        return Error{"ELF header", 0, "is cut short: the file's size in bytes", image.size()};
    TRY(image.read(0, std::as_writable_bytes(std::span(&header, 1))));
    const FieldRule rules[] = {
        {"ELF EI_DATA", header.e_ident[EI_DATA], ELFDATA2LSB, "is not little-endian"},
        {"ELF e_machine", header.e_machine, Class::kMachine, Class::kOtherMachine},
        {"ELF e_phentsize", header.e_phentsize, sizeof(typename Class::Segment),
         Class::kOtherSegment},
    };
    for (const FieldRule& rule : rules)
        if (rule.found != rule.wanted) return Error{rule.field, 0, rule.hint, rule.found};
    // A position-independent kernel is taken to be where it is linked.
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return Error{"ELF e_type", 0, "is not an executable's; link it", header.e_type};
    if (header.e_phnum == 0 || header.e_phnum > kMaxProgramHeaders)
        return Error{"ELF e_phnum", 0, "must be 1 to 64", header.e_phnum};
    return header;
}

// Where no bytes are, an offset says nothing.
Result<> check_in_file(const Elf64_Phdr& header, uint64_t file_size) {
    if (header.p_filesz == 0) return Ok{};
    if (header.p_offset > file_size) return Error{"ELF p_offset", 0, kCutShort, header.p_offset};
    if (header.p_filesz > file_size - header.p_offset)
        return Error{"ELF p_filesz", 0, kCutShort, header.p_filesz};
    return Ok{};
}

// Only the program headers that the loader acts on are checked, and returned.
template <typename Class>
Result<ElfFile> read_elf(const Image& image) {
    const typename Class::Header elf = TRY(read_header<Class>(image));
    std::vector<typename Class::Segment> segments(elf.e_phnum);
    const auto bytes = std::as_writable_bytes(std::span(segments));
    if (elf.e_phoff > image.size() || bytes.size() > image.size() - elf.e_phoff)
        return Error{"ELF e_phoff", 0, kCutShort, elf.e_phoff};
    TRY(image.read(elf.e_phoff, bytes));
    ElfFile file{elf.e_entry, {}, std::is_same_v<Class, Elf64>};
    file.headers.reserve(segments.size());
    for (const auto& segment : segments) {
        const bool holds_notes = segment.p_type == PT_NOTE && segment.p_filesz > 0;
        if (!holds_notes && (segment.p_type != PT_LOAD || segment.p_memsz == 0)) continue;
        file.headers.push_back({.p_type = segment.p_type,
                                .p_flags = segment.p_flags,
                                .p_offset = segment.p_offset,
                                .p_vaddr = segment.p_vaddr,
                                .p_paddr = segment.p_paddr,
                                .p_filesz = segment.p_filesz,
                                .p_memsz = segment.p_memsz,
                                .p_align = segment.p_align});
        TRY(check_in_file(file.headers.back(), image.size()));
    }
    return file;
}

Result<ElfFile> read_elf_of_either_class(const Image& image) {
    std::array<std::byte, EI_NIDENT> ident{};
    if (image.size() < ident.size())
        return Error{"ELF header", 0, "is cut short: the file's size in bytes", image.size()};
    TRY(image.read(0, ident));
    const auto elf_class = std::to_integer<uint8_t>(ident[EI_CLASS]);
    if (elf_class == ELFCLASS64) return read_elf<Elf64>(image);
    if (elf_class == ELFCLASS32) return read_elf<Elf32>(image);
    return Error{"ELF EI_CLASS", 0, "is neither 32-bit nor 64-bit", elf_class};
}

Result<> check_in_memory(const Elf64_Phdr& header, GuestAddress low_ram_end) {
    if (header.p_filesz > header.p_memsz)
        return Error{"ELF p_filesz", 0, "is more than the segment's p_memsz", header.p_filesz};
    if (header.p_paddr < layout::kHighMemory.value)
        return Error{"ELF p_paddr", 0, "is below 1 MiB, where the monitor's tables are",
                     header.p_paddr};
    if (header.p_paddr >= low_ram_end.value)
        return Error{"ELF p_paddr", 0, "is not in guest memory below 3 GiB; give more --memory",
                     header.p_paddr};
    if (header.p_memsz > low_ram_end.value - header.p_paddr)
        return Error{"ELF p_memsz", 0,
                     "does not fit in guest memory below 3 GiB; give more --memory",
                     header.p_memsz};
    return Ok{};
}

// The PT_LOAD headers in the order of their addresses.
Result<std::vector<Elf64_Phdr>> sorted_loads(std::span<const Elf64_Phdr> headers,
                                             GuestAddress low_ram_end) {
    std::vector<Elf64_Phdr> loads;
    loads.reserve(headers.size());
    for (const Elf64_Phdr& header : headers) {
        if (header.p_type != PT_LOAD) continue;
        TRY(check_in_memory(header, low_ram_end));
        loads.push_back(header);
    }
    if (loads.empty()) return Error{"ELF PT_LOAD", 0, "there is no such segment to load"};
    std::sort(loads.begin(), loads.end(),
              [](const Elf64_Phdr& a, const Elf64_Phdr& b) { return a.p_paddr < b.p_paddr; });
    for (size_t i = 1; i < loads.size(); ++i)
        if (loads[i].p_paddr - loads[i - 1].p_paddr < loads[i - 1].p_memsz)
            return Error{"ELF p_paddr", 0, "overlaps the segment before it", loads[i].p_paddr};
    return loads;
}

struct EntryPoint {
    BootProtocol protocol;
    const char* field;  // that it was found in
    uint64_t address;
};

EntryPoint choose_entry(const ElfFile& elf, const BootNotes& notes) {
    if (notes.user64_entry)
        return {BootProtocol::kUser64, "ELF Mayfly note's entry", *notes.user64_entry};
    if (notes.pvh_entry) return {BootProtocol::kPvh, "ELF PVH note's entry", *notes.pvh_entry};
    return {BootProtocol::kLinux64, "ELF e_entry", elf.entry};
}

// Whatever the segment's flags: the pages that a kernel begins with have no such rights, and Linux
// from 6.17 on begins in a segment of data.
bool is_loaded(std::span<const Elf64_Phdr> loads, uint64_t address) {
    return std::any_of(loads.begin(), loads.end(), [address](const Elf64_Phdr& load) {
        return address >= load.p_paddr && address - load.p_paddr < load.p_filesz;
    });
}

}  // namespace

Result<LoadPlan> plan_elf(const Image& image, GuestAddress low_ram_end) {
    const ElfFile elf = TRY(read_elf_of_either_class(image));
    const std::vector<Elf64_Phdr> loads = TRY(sorted_loads(elf.headers, low_ram_end));
    const BootNotes notes = TRY(read_notes(image, elf.headers));
    const EntryPoint entry = choose_entry(elf, notes);
    if (!elf.is_64_bit && entry.protocol != BootProtocol::kPvh)
        return Error{"ELF EI_CLASS", 0, "a 32-bit kernel needs a PVH note", ELFCLASS32};
    if (!is_loaded(loads, entry.address))
        return Error{entry.field, 0, "is not in what is loaded from the file", entry.address};

    LoadPlan plan{
        .kernel = {.protocol = entry.protocol,
                   .entry = GuestAddress{entry.address},
                   .end = GuestAddress{loads.back().p_paddr + loads.back().p_memsz},
                   .is_linux = notes.names_linux && entry.protocol != BootProtocol::kUser64,
                   .initrd_address_max = kInitrdAddressMax},
        .segments = {}};
    plan.segments.reserve(loads.size());
    for (const Elf64_Phdr& load : loads)
        plan.segments.push_back({load.p_offset, GuestAddress{load.p_paddr}, load.p_filesz,
                                 load.p_memsz, Placement::kMapped});
    return plan;
}
