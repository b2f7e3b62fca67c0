// Names that pickles import: which cannot be there, wherever the file is loaded.
#include "formats/loaders/missing_names.h"
#include "unit/catch.h"

using torchvet::why_missing;
using torchvet::why_missing_in_script;

TEST_CASE("what is no identifier of Python is imported from nowhere") {
  CHECK(why_missing("torch._utils", "_re`uild") == "`torch._utils` has nothing that is called `_re`uild`");
  CHECK(why_missing("numpy.core[", "dtype") == "no module is called `numpy.core[`");
  CHECK(why_missing("", "dtype"));
  CHECK(why_missing("numpy", ""));
  CHECK(why_missing("numpy..core", "dtype"));
  CHECK(why_missing("numpy.2core", "dtype"));
  CHECK(why_missing("mine", "f.<locals>.Net"));
  CHECK_FALSE(why_missing("mine", "Net.Inner_2"));
  CHECK_FALSE(why_missing("m\xc3\xb6we", "Fl\xc3\xbcgel"));
}

TEST_CASE("what is a letter away from a name of torch is not there") {
  CHECK(why_missing("torch._utils", "_rebuilt_tensor_v2") ==
        "torch has no `torch._utils._rebuilt_tensor_v2`, it has `torch._utils._rebuild_tensor_v2`");
  CHECK(why_missing("torch._utils", "_rebuld_tensor_v2"));
  CHECK(why_missing("torch._utils", "_rebuiild_tensor_v2"));
  CHECK(why_missing("torch._util", "_rebuild_tensor_v2"));
  CHECK(why_missing("collectionx", "OrderedDict"));
  CHECK(why_missing("torch", "FloatStorag"));
  CHECK(why_missing("torch", "Float0torage"));
  CHECK(why_missing("torch._utils", "_ruild_tensor_v2") ==
        "torch has no `torch._utils._ruild_tensor_v2`, it has `torch._utils._rebuild_tensor_v2`");
  CHECK(why_missing("torch._utils", "_rebuild_tesnor_v2"));
  CHECK(why_missing("collections", "OrdexedDixt"));
  CHECK(why_missing("torxh._utilz", "_rebuild_tensor_v2"));
}

TEST_CASE("what an older or newer torch may have, and what somebody else has, may be there") {
  CHECK_FALSE(why_missing("torch._utils", "_rebuild_tensor_v2"));
  CHECK_FALSE(why_missing("torch._utils", "_rebuild_tensor_v4"));
  CHECK_FALSE(why_missing("torch._utils", "_rebuild_tensor"));
  CHECK_FALSE(why_missing("torch._utils", "_rebuild_tensor_v21"));
  CHECK_FALSE(why_missing("torch._utils", "_rebuild_sparse_csr_tensor"));
  CHECK_FALSE(why_missing("torch._utils", "_rebuild_mlc_tensor"));
  CHECK_FALSE(why_missing("torch._utils", "_rebuild_xla_tensor"));
  CHECK_FALSE(why_missing("collections", "defaultdict"));
  CHECK_FALSE(why_missing("torch.storage", "_TypedStorage"));
  CHECK_FALSE(why_missing("torch", "tensor"));
  CHECK_FALSE(why_missing("torch", "int"));
  CHECK_FALSE(why_missing("orch._utils.of.mine", "_rebuild_tensor_v2"));
}

TEST_CASE("LibTorch's unpickler has a few names, and those of the program") {
  CHECK(why_missing_in_script("torch._utils", "_r_build_tensor_v2") ==
        "torch.jit.load has nothing that is called `torch._utils._r_build_tensor_v2`");
  CHECK(why_missing_in_script("__tor__.net", "Net"));
  CHECK(why_missing_in_script("torch.jit._pickle", "build_intlists"));
  CHECK_FALSE(why_missing_in_script("__torch__.torch.nn.modules.___torch_mangle_0", "Linear"));
  CHECK_FALSE(why_missing_in_script("__torch__", "Net"));
  CHECK_FALSE(why_missing_in_script("torch", "FloatStorage"));
  CHECK_FALSE(why_missing_in_script("collections", "OrderedDict"));
}
