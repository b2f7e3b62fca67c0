#!/usr/bin/env python3
"""What torch does with the fixtures of the rules about containers: each `bad_` file loads wrong numbers
without a word, or is refused, as its rule's page says; and each `ok_` file loads right.

    containers.py FIXTURES

Nothing in these files is executed by torch.load: all are loaded with weights_only=True, in a child process
that is ended after some seconds. Without torch nothing can be compared: exit 77, which CTest counts as
skipped."""

import logging
import multiprocessing
import pathlib
import resource
import sys
import warnings

try:
    import torch
    from torch.utils.serialization import config
except ImportError:
    print("this Python lacks torch")
    sys.exit(77)

RIGHT, WRONG, REFUSED, HANGS, DIES = "loads right", "loads wrong", "refused", "hangs", "dies"
SECONDS = 8
MEMORY = 8 << 30

# File: what torch.load does, what it does with mmap=True. For programs: what their loader does.
EXPECTED = {
    "FMT004/bad_storage.pt": (WRONG, WRONG),
    "FMT004/bad_pickle.pt": (WRONG, WRONG),
    "FMT004/bad_script.pt": (WRONG,),
    "FMT004/bad_code.pt": (REFUSED,),
    "FMT004/bad_stream_cut.pt": (WRONG, WRONG),
    "FMT004/bad_stream_followed.pt": (RIGHT, WRONG),
    "FMT005/bad_two_members.pt": (WRONG, WRONG),
    "FMT005/bad_local_name.pt": (RIGHT, RIGHT),
    "FMT005/bad_local_method.pt": (RIGHT, RIGHT),
    "FMT005/bad_local_size.pt": (RIGHT, RIGHT),
    "FMT005/bad_after.pt": (REFUSED, REFUSED),
    "FMT005/bad_hidden_member.pt": (REFUSED, REFUSED),
    "FMT005/bad_two_directories.pt": (RIGHT, RIGHT),
    "FMT006/bad_state_long.pt": (REFUSED, RIGHT),
    "FMT006/bad_state_missing.pt": (REFUSED, REFUSED),
    "FMT006/bad_state_legacy.pt": (REFUSED,),
    "FMT006/bad_script_long.pt": (RIGHT,),
    "FMT006/bad_script_missing.pt": (REFUSED,),
    "FMT007/bad_state.safetensors": (REFUSED,),
    "FMT007/bad_safetensors.pt": (REFUSED,),
    "FMT007/bad_exported.pth": (REFUSED,),
    "FMT013/bad_deflated.pt": (RIGHT, WRONG),
    "FMT014/bad_state.pt": (REFUSED, WRONG),
    "FMT014/bad_script.pt": (WRONG,),
    "FMT015/bad_empty_record.pt2": (WRONG,),
    "FMT015/bad_no_numbers.pt2": (WRONG,),
    "FMT016/bad_last.pt": (WRONG, WRONG),
    "FMT016/bad_first.pt": (WRONG, WRONG),
    "FMT017/bad_state.pt": (REFUSED,),
    "FMT017/bad_script.pt": (REFUSED,),
    "FMT018/bad_middle.pt": (REFUSED, REFUSED),
    "FMT018/bad_newline.pt": (REFUSED, REFUSED),
    "FMT018/bad_empty.pt": (REFUSED, REFUSED),
    "FMT018/bad_script.pt": (RIGHT,),
    "FMT021/bad_format.pt2": (REFUSED,),
    "FMT021/bad_archive_version.pt2": (REFUSED,),
    "FMT021/bad_folder.pt": (REFUSED, REFUSED),
    "FMT021/bad_version.pt": (REFUSED, REFUSED),
    "FMT021/bad_version_unknown.pt": (REFUSED, REFUSED),
    "FMT021/bad_id.pt": (REFUSED, REFUSED),
    "FMT021/bad_alignment.pt": (REFUSED, REFUSED),
    "FMT021/bad_script_opcode.pt": (REFUSED,),
    "FMT021/bad_script_values.pt": (REFUSED,),
    "FMT021/ok_more_than_a_number.pt": (RIGHT, RIGHT),
    "FMT020/bad_packed_state.pt": (RIGHT, RIGHT),
    "FMT020/bad_packed_script.pt": (RIGHT,),
    "PKL006/bad_second_pickle.pt": (RIGHT, RIGHT),
    "PKL006/bad_zeros.pt": (RIGHT, RIGHT),
    "PKL006/bad_script.pt": (RIGHT,),
    "PKL006/bad_two_legacy.pt": (RIGHT,),
    "PKL007/bad_memo.pt": (REFUSED,),
    "PKL007/bad_stack.pt": (REFUSED,),
    "PKL007/bad_opcode.pt": (REFUSED,),
    "PKL007/bad_storage.pt": (REFUSED,),
    "PKL007/bad_legacy.pt": (REFUSED,),
    "PKL007/bad_key.pt": (REFUSED,),
    "PKL007/bad_key_of_ordered_dict.pt": (REFUSED,),
    "PKL007/bad_sparse.pt": (REFUSED,),
    "PKL008/bad_key_wide.pt": (HANGS,),
    "PKL008/bad_key_deep.pt": (DIES,),
    "PKL008/bad_bytearray.pt": (REFUSED,),
    "STO006/bad_coo.pt": (RIGHT,),
    "STO006/bad_coo_negative.pt": (RIGHT,),
    "STO006/bad_csr_column.pt": (RIGHT,),
    "STO006/bad_csr_rows.pt": (RIGHT,),
    "STO006/bad_csc.pt": (RIGHT,),
    "STO006/bad_bsr.pt": (RIGHT,),
    "STO006/bad_legacy.pt": (RIGHT,),
    "STO006/bad_nested.pt": (REFUSED,),
}


def state_of(path: pathlib.Path, mmap: bool) -> dict[str, torch.Tensor]:
    """The tensors of a file by name, from the loader that it is for."""
    if path.suffix == ".pt2":
        return torch.export.load(str(path)).state_dict
    try:
        return torch.load(path, weights_only=True, mmap=mmap)
    except RuntimeError as problem:
        if "TorchScript" not in str(problem):
            raise
    program = torch.jit.load(str(path))
    result = dict(program.state_dict())
    result["answer"] = program(torch.ones(2, 8))
    return result


def load(path: pathlib.Path, mmap: bool, wanted: dict | None, answers) -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        state = state_of(path, mmap)
    except BaseException as problem:  # whatever a damaged file makes torch raise
        answers.put(f"{REFUSED}: {type(problem).__name__}: {problem}".splitlines()[0])
        return
    if wanted is None:
        answers.put(RIGHT)
        return
    same = state.keys() == wanted.keys() and all(
        torch.equal(tensor, wanted[name]) for name, tensor in state.items())
    answers.put(RIGHT if same else WRONG)


def outcome(path: pathlib.Path, mmap: bool, wanted: dict | None) -> str:
    answers = multiprocessing.SimpleQueue()
    child = multiprocessing.Process(target=load, args=(path, mmap, wanted, answers))
    child.start()
    child.join(SECONDS)
    if child.is_alive():
        child.kill()
        child.join()
        return HANGS
    return answers.get() if not answers.empty() else f"{DIES}: {child.exitcode}"


def healthy(path: pathlib.Path) -> dict | None:
    """The tensors of the `ok_` file that a `bad_` file was made from: one of the same kind. None where the
    rule has none."""
    script = "script" in path.name or path.name in ("bad_code.pt", "bad_traced.pt")
    names = {".pt2": ["ok_program.pt2"]}.get(path.suffix)
    names = names or (["ok_script.pt", "ok_traced.pt"] if script else ["ok_state.pt", "ok_stored.pt"])
    for name in names:
        if (path.parent / name).exists():
            return state_of(path.parent / name, False)
    if path.suffix == ".pt2" or not script:
        return None
    return state_of(path.parents[1] / "FMT017/ok_script.pt", False)


def computed_offsets_are_wrong(fixtures: pathlib.Path) -> list[str]:
    """FMT020: what torch computes where the archive was packed anew."""
    config.load.calculate_storage_offsets = True
    try:
        wrong = torch.load(fixtures / "FMT020/bad_packed_state.pt", mmap=True, weights_only=True)
        right = torch.load(fixtures / "FMT020/ok_state.pt", mmap=True, weights_only=True)
    finally:
        config.load.calculate_storage_offsets = False
    if all(torch.equal(wrong[name], right[name]) for name in right):
        return ["FMT020/bad_packed_state.pt: computed offsets give the right numbers"]
    return []


def main() -> int:
    fixtures = pathlib.Path(sys.argv[1])
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    problems = computed_offsets_are_wrong(fixtures)
    loaded = 0
    for name, expected in EXPECTED.items():
        path = fixtures / name
        wanted = healthy(path)
        for mmap, want in zip((False, True), expected):
            got = outcome(path, mmap, wanted)
            loaded += 1
            if not got.startswith(want):
                problems.append(f"{name}{' with mmap' if mmap else ''}: {got}, expected: {want}")
    for folder in sorted({name.partition("/")[0] for name in EXPECTED}):
        for path in sorted((fixtures / folder).glob("ok_*")):
            if path.suffix in (".safetensors", ".package") or path.name == "ok_protocol_5.pt":
                continue  # for other loaders
            got = outcome(path, False, None)
            loaded += 1
            if got != RIGHT:
                problems.append(f"{folder}/{path.name}: {got}")
    for line in problems:
        print(f"DIFFERENT {line}")
    print(f"{loaded} loads, {len(problems)} other than the rules say")
    return 1 if problems else 0


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    sys.exit(main())
