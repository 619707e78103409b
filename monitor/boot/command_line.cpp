#include "monitor/boot/command_line.hpp"

#include <array>
#include <cinttypes>
#include <cstdio>

#include "monitor/memory/layout.hpp"

namespace {

// Where the words for init begin, with their `--`; the end of `line` if there are none.
size_t start_of_rest(std::string_view line) {
    for (size_t at = line.find("--"); at != std::string_view::npos; at = line.find("--", at + 1)) {
        const bool starts = at == 0 || line[at - 1] == ' ';
        if (starts && (at + 2 == line.size() || line[at + 2] == ' ')) return at;
    }
    return line.size();
}

void add_word(std::string& line, std::string_view word) {
    if (word.empty()) return;
    if (!line.empty() && line.back() != ' ') line += ' ';
    line += word;
}

std::string device_word(uint32_t slot) {
    const GuestAddress window = layout::kVirtioMmio + slot * layout::kVirtioMmioSize;
    std::array<char, 64> word{};
    std::snprintf(word.data(), word.size(), "virtio_mmio.device=4K@%#" PRIx64 ":%u", window.value,
                  layout::kFirstVirtioGsi + slot);
    return word.data();
}

std::string root_words(const RootDrive& root) {
    const std::string device = root.partuuid.empty() ? "/dev/vda" : "PARTUUID=" + root.partuuid;
    return "root=" + device + (root.access == RootAccess::kReadOnly ? " ro" : " rw");
}

}  // namespace

std::string whole_command_line(std::string_view given, const CommandLineAdditions& additions) {
    const size_t rest = start_of_rest(given);
    std::string whole = additions.network;
    add_word(whole, given.substr(0, rest));
    if (additions.root.has_value()) add_word(whole, root_words(*additions.root));
    for (uint32_t slot = 0; slot < additions.virtio_devices; ++slot)
        add_word(whole, device_word(slot));
    add_word(whole, given.substr(rest));
    return whole;
}

std::string with_init_arguments(std::string given, std::span<const char* const> arguments) {
    if (arguments.empty()) return given;
    given += given.empty() ? "--" : " --";
    for (const char* const argument : arguments) given.append(" ").append(argument);
    return given;
}

bool has_word(std::string_view line, std::string_view word) {
    for (size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
        const bool starts = at == 0 || line[at - 1] == ' ';
        const size_t end = at + word.size();
        if (starts && (end == line.size() || line[end] == ' ')) return true;
    }
    return false;
}
