// The kernel's command line: the user's, and what the monitor has to add to it. Main thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// True if `word` is one of the blank-separated words of `line`.
bool has_word(std::string_view line, std::string_view word);

// `line` with `words` before a `--`, behind which all is init's.
std::string with_words(std::string_view line, std::string_view words);

// `line` with a word for each of the first `virtio_devices` windows, as a kernel with
// CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES and without ACPI finds them. A kernel that has read of them in
// the DSDT finds the windows taken, and goes on. Source: Linux drivers/virtio/virtio_mmio.c,
// "virtio_mmio.device=<size>@<baseaddr>:<irq>".
std::string announce_devices(std::string_view line, uint32_t virtio_devices);
