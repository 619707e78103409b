#include "monitor/boot/elf_image.hpp"

#include <algorithm>
#include <elf.h>
#include <optional>
#include <span>
#include <vector>

#include "monitor/boot/elf_notes.hpp"
#include "monitor/memory/layout.hpp"

namespace {

constexpr uint16_t kMaxProgramHeaders = 64;

// Where Linux' own 64-bit bzImage header has it: arch/x86/boot/header.S, initrd_addr_max.
constexpr uint32_t kInitrdAddressMax = 0x7fffffff;

constexpr const char* kCutShort = "reaches past the end of the file; is it cut short?";

struct FieldRule {
    const char* field;
    uint64_t found;
    uint64_t wanted;
    const char* hint;
};

Result<Elf64_Ehdr> read_header(const Image& image) {
    if (image.size() < sizeof(Elf64_Ehdr))
        return Error{"ELF header", 0, "is cut short: the file's size in bytes", image.size()};
    Elf64_Ehdr header;
    TRY(image.read(0, std::as_writable_bytes(std::span(&header, 1))));
    const FieldRule rules[] = {
        {"ELF EI_CLASS", header.e_ident[EI_CLASS], ELFCLASS64, "is not a 64-bit kernel"},
        {"ELF EI_DATA", header.e_ident[EI_DATA], ELFDATA2LSB, "is not little-endian"},
        {"ELF e_machine", header.e_machine, EM_X86_64, "is not an x86-64 kernel"},
        {"ELF e_type", header.e_type, ET_EXEC, "must be 2: link it at a fixed address"},
        {"ELF e_phentsize", header.e_phentsize, sizeof(Elf64_Phdr), "must be 0x38"},
    };
    for (const FieldRule& rule : rules)
        if (rule.found != rule.wanted) return Error{rule.field, 0, rule.hint, rule.found};
    if (header.e_phnum == 0 || header.e_phnum > kMaxProgramHeaders)
        return Error{"ELF e_phnum", 0, "must be 1 to 64", header.e_phnum};
    return header;
}

Result<> check_in_file(const Elf64_Phdr& header, uint64_t file_size) {
    if (header.p_offset > file_size) return Error{"ELF p_offset", 0, kCutShort, header.p_offset};
    if (header.p_filesz > file_size - header.p_offset)
        return Error{"ELF p_filesz", 0, kCutShort, header.p_filesz};
    return Ok{};
}

// Only the program headers that the loader acts on are checked, and returned.
Result<std::vector<Elf64_Phdr>> read_program_headers(const Image& image, const Elf64_Ehdr& elf) {
    std::vector<Elf64_Phdr> headers(elf.e_phnum);
    const auto bytes = std::as_writable_bytes(std::span(headers));
    if (elf.e_phoff > image.size() || bytes.size() > image.size() - elf.e_phoff)
        return Error{"ELF e_phoff", 0, kCutShort, elf.e_phoff};
    TRY(image.read(elf.e_phoff, bytes));
    std::erase_if(headers, [](const Elf64_Phdr& header) {
        return header.p_type != PT_NOTE && (header.p_type != PT_LOAD || header.p_memsz == 0);
    });
    for (const Elf64_Phdr& header : headers) TRY(check_in_file(header, image.size()));
    return headers;
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

EntryPoint choose_entry(const Elf64_Ehdr& elf, const BootNotes& notes) {
    if (notes.user64_entry)
        return {BootProtocol::kUser64, "ELF Mayfly note's entry", *notes.user64_entry};
    if (notes.pvh_entry) return {BootProtocol::kPvh, "ELF PVH note's entry", *notes.pvh_entry};
    return {BootProtocol::kLinux64, "ELF e_entry", elf.e_entry};
}

bool is_code(std::span<const Elf64_Phdr> loads, uint64_t address) {
    return std::any_of(loads.begin(), loads.end(), [address](const Elf64_Phdr& load) {
        return (load.p_flags & PF_X) != 0 && address >= load.p_paddr &&
               address - load.p_paddr < load.p_filesz;
    });
}

}  // namespace

Result<LoadPlan> plan_elf(const Image& image, GuestAddress low_ram_end) {
    const Elf64_Ehdr elf = TRY(read_header(image));
    const std::vector<Elf64_Phdr> headers = TRY(read_program_headers(image, elf));
    const std::vector<Elf64_Phdr> loads = TRY(sorted_loads(headers, low_ram_end));
    const BootNotes notes = TRY(read_notes(image, headers));
    const EntryPoint entry = choose_entry(elf, notes);
    if (!is_code(loads, entry.address))
        return Error{entry.field, 0, "is not in an executable segment", entry.address};

    LoadPlan plan{
        .kernel = {.protocol = entry.protocol,
                   .entry = GuestAddress{entry.address},
                   .end = GuestAddress{loads.back().p_paddr + loads.back().p_memsz},
                   .is_linux = notes.names_linux && entry.protocol != BootProtocol::kUser64,
                   .initrd_address_max = kInitrdAddressMax},
        .segments = {}};
    for (const Elf64_Phdr& load : loads)
        plan.segments.push_back({load.p_offset, GuestAddress{load.p_paddr}, load.p_filesz,
                                 load.p_memsz, Placement::kMapped});
    return plan;
}
