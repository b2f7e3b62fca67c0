#include "model/operators.h"
#include "unit/catch.h"

namespace torchvet {

TEST_CASE("Operators come with torch, or with another library") {
  CHECK(namespace_of("aten::linear") == "aten");
  CHECK(is_built_in_operator("prepacked::conv2d_clamp_run"));
  CHECK(comes_with_torch("c10d::allreduce_"));
  CHECK_FALSE(is_built_in_operator("c10d::allreduce_"));
  CHECK_FALSE(comes_with_torch("torchvision::nms"));
}

TEST_CASE("Classes of C++ come with torch, or with another library") {
  CHECK(class_comes_with_torch("quantized.LinearPackedParamsBase"));
  CHECK(class_comes_with_torch("rnn.CellParamsBase"));
  CHECK(class_comes_with_torch("xnnpack.Conv2dOpContext"));
  CHECK(class_comes_with_torch("__backends__.nnapi"));
  CHECK_FALSE(class_comes_with_torch("__backends__.demo"));
  CHECK_FALSE(class_comes_with_torch("__backends__"));
  CHECK_FALSE(class_comes_with_torch("quantized_more.LinearPackedParamsBase"));
  CHECK_FALSE(class_comes_with_torch("torchvision.Video"));
  CHECK_FALSE(class_comes_with_torch(""));
}

}  // namespace torchvet
