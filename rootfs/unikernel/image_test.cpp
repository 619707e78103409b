// The built file as a loader sees it: its budget, its note, its segments.
#include <cstring>
#include <elf.h>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <vector>

namespace {

constexpr size_t kBudgetBytes = 16384;
constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kLoadAddress = 0x100000;

class UnikernelImage : public testing::Test {
protected:
    void SetUp() override {
        std::ifstream in(UNIKERNEL_ELF, std::ios::binary);
        file_.assign(std::istreambuf_iterator<char>(in), {});
        ASSERT_GE(file_.size(), sizeof header_) << UNIKERNEL_ELF;
        std::memcpy(&header_, file_.data(), sizeof header_);
        ASSERT_LE(header_.e_phoff + header_.e_phnum * sizeof(Elf64_Phdr), file_.size());
    }

    std::vector<Elf64_Phdr> segments(uint32_t type) const {
        std::vector<Elf64_Phdr> found;
        for (size_t i = 0; i < header_.e_phnum; ++i) {
            Elf64_Phdr segment;
            std::memcpy(&segment, file_.data() + header_.e_phoff + i * sizeof segment,
                        sizeof segment);
            if (segment.p_type == type) found.push_back(segment);
        }
        return found;
    }

    std::string file_;
    Elf64_Ehdr header_{};
};

TEST_F(UnikernelImage, StaysWithinItsBudget) {
    EXPECT_LT(file_.size(), kBudgetBytes);
}

TEST_F(UnikernelImage, IsLinkedForOneAddress) {
    EXPECT_EQ(std::memcmp(header_.e_ident, ELFMAG, SELFMAG), 0);
    EXPECT_EQ(header_.e_ident[EI_CLASS], ELFCLASS64);
    EXPECT_EQ(header_.e_type, ET_EXEC);
    EXPECT_EQ(header_.e_machine, EM_X86_64);
    EXPECT_TRUE(segments(PT_DYNAMIC).empty());
    EXPECT_TRUE(segments(PT_INTERP).empty());
}

bool is_aligned(const Elf64_Phdr& load) {
    return load.p_paddr == load.p_vaddr && load.p_paddr % kPageSize == 0 &&
           load.p_offset % kPageSize == 0;
}

bool is_writable_code(const Elf64_Phdr& load) {
    return (load.p_flags & PF_W) != 0 && (load.p_flags & PF_X) != 0;
}

TEST_F(UnikernelImage, AlignsItsSegmentsInFileAndMemory) {
    const std::vector<Elf64_Phdr> loads = segments(PT_LOAD);
    ASSERT_FALSE(loads.empty());
    EXPECT_EQ(loads.front().p_paddr, kLoadAddress);
    for (const Elf64_Phdr& load : loads) {
        EXPECT_TRUE(is_aligned(load) && !is_writable_code(load));
    }
}

struct User64Note {
    Elf64_Nhdr header;
    char name[8];  // 7 bytes, padded to 8
    unsigned char entry[8];
};
static_assert(sizeof(User64Note) == 28);

TEST_F(UnikernelImage, CarriesTheUser64NoteWithItsEntry) {
    const std::vector<Elf64_Phdr> notes = segments(PT_NOTE);
    ASSERT_EQ(notes.size(), 1U);
    ASSERT_EQ(notes[0].p_filesz, sizeof(User64Note));
    User64Note note{};
    std::memcpy(&note, file_.data() + notes[0].p_offset, sizeof note);

    EXPECT_EQ(note.header.n_type, 0x4d460064U);
    EXPECT_EQ(note.header.n_namesz, 7U);
    EXPECT_EQ(note.header.n_descsz, sizeof note.entry);
    EXPECT_STREQ(note.name, "Mayfly");
    EXPECT_EQ(std::memcmp(note.entry, &header_.e_entry, sizeof note.entry), 0);
}

TEST_F(UnikernelImage, EntersItsCode) {
    const Elf64_Phdr text = segments(PT_LOAD).front();
    EXPECT_NE(text.p_flags & PF_X, 0U);
    EXPECT_LT(header_.e_entry - text.p_paddr, text.p_filesz);
}

}  // namespace
