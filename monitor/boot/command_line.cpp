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

}  // namespace

bool has_word(std::string_view line, std::string_view word) {
    for (size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
        const bool starts = at == 0 || line[at - 1] == ' ';
        const size_t end = at + word.size();
        if (starts && (end == line.size() || line[end] == ' ')) return true;
    }
    return false;
}

std::string with_words(std::string_view line, std::string_view words) {
    const size_t rest = start_of_rest(line);
    std::string whole(line.substr(0, rest));
    if (!whole.empty() && whole.back() != ' ') whole += ' ';
    whole += words;
    if (rest == line.size()) return whole;
    whole += ' ';
    return whole.append(line.substr(rest));
}

std::string announce_devices(std::string_view line, uint32_t virtio_devices) {
    std::string words;
    for (uint32_t slot = 0; slot < virtio_devices; ++slot) {
        const GuestAddress window = layout::kVirtioMmio + slot * layout::kVirtioMmioSize;
        std::array<char, 64> word{};
        std::snprintf(word.data(), word.size(), "virtio_mmio.device=4K@%#" PRIx64 ":%u",
                      window.value, layout::kFirstVirtioGsi + slot);
        if (!words.empty()) words += ' ';
        words += word.data();
    }
    return words.empty() ? std::string(line) : with_words(line, words);
}
