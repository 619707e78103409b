#include "monitor/api/vm_state.hpp"

#include <gtest/gtest.h>

#include "monitor/api/document_test.hpp"

namespace {

TEST(VmStateDocument, IsOneOfTwo) {
    EXPECT_EQ(parsed(parse_vm_state, "{\"state\":\"Paused\"}"), VmActivity::kPaused);
    EXPECT_EQ(parsed(parse_vm_state, "{\"state\":\"Resumed\"}"), VmActivity::kResumed);
    EXPECT_EQ(complaint(parse_vm_state, "{\"state\":\"Running\"}"),
              "state: is neither Paused nor Resumed");
    EXPECT_EQ(complaint(parse_vm_state, "{\"state\":null}"), "state: is missing");
}

}  // namespace
