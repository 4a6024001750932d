"""./dev fuzz [SECONDS [TARGET...]]: runs each fuzz target of build/fuzz/fuzz for SECONDS (60), as many at a time as
there are processors.

Seeds are fuzz/corpus/TARGET; what the run finds worth keeping goes to .cache/fuzz/TARGET/corpus, an
input that crashes to .cache/fuzz/TARGET/crash-*, and what the fuzzer says to .cache/fuzz/TARGET/log.
Memory and time of each input are bounded, so a decoder that trusts a length fails here. TRV_FUZZ_SEED
makes a run repeatable; TRV_FUZZ_SHOW makes a target of frames or requests print what is said:

    TRV_FUZZ_SHOW=1 build/fuzz/fuzz/channel_fuzz .cache/fuzz/channel_fuzz/crash-...
"""
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEMORY_MB_MAX = 1024
ALLOCATION_MB_MAX = 64
INPUT_SECONDS_MAX = 5
FAILURE_LINES_SHOWN = 80
# Longer inputs take their time, and what is read looks at no more at once.
INPUT_SIZE_MAX = 4096
# Programs of steps over a broker that stays: each step is a few octets, and what stays is no leak.
PROGRAMS = {"channel_fuzz", "kafka_session_fuzz", "redis_session_fuzz"}
PROGRAM_SIZE_MAX = 256
# Of what was freed and from where, so much is kept that a run of hours stays within its memory.
SANITIZER_OPTIONS = "quarantine_size_mb=64:malloc_context_size=12"


def run_target(program, seconds):
    work = ROOT / ".cache" / "fuzz" / program.name
    (work / "corpus").mkdir(parents=True, exist_ok=True)
    seeds = ROOT / "fuzz" / "corpus" / program.name
    if not any(seeds.glob("*")):
        print(f"{program.name}: no seeds in fuzz/corpus/{program.name}")
        return False
    of_steps = program.name in PROGRAMS
    size_max = PROGRAM_SIZE_MAX if of_steps else INPUT_SIZE_MAX
    # Weighing the corpus by how rare its features are takes more time than the inputs do.
    command = [program, work / "corpus", seeds, f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY_MB_MAX}",
               f"-malloc_limit_mb={ALLOCATION_MB_MAX}", f"-timeout={INPUT_SECONDS_MAX}", f"-max_len={size_max}",
               f"-artifact_prefix={work}/", "-print_final_stats=1", "-verbosity=0", "-entropic=0"]
    if of_steps:
        command.append("-detect_leaks=0")
    if os.environ.get("TRV_FUZZ_SEED"):
        command.append("-seed=" + os.environ["TRV_FUZZ_SEED"])
    environment = {"ASAN_OPTIONS": SANITIZER_OPTIONS, **os.environ}
    with open(work / "log", "wb") as log:
        try:
            code = subprocess.run(command, cwd=ROOT, timeout=seconds + 120, env=environment, check=False,
                                  stdout=log, stderr=subprocess.STDOUT).returncode
        except subprocess.TimeoutExpired:
            code = "hung"
    report(program.name, code, (work / "log").read_text(errors="replace").splitlines())
    return code == 0


def report(name, code, said):
    executions = next((line.split()[-1] for line in said if line.startswith("stat::number_of_executed_units")), "?")
    print(f"{name}: {executions} executions", flush=True)
    if code != 0:
        print("\n".join(said[-FAILURE_LINES_SHOWN:]))
        print(f"{name}: FAILED ({code}); see .cache/fuzz/{name}", flush=True)


def main(arguments):
    seconds = int(arguments[0]) if arguments else 60
    programs = sorted(p for p in (ROOT / "build/fuzz/fuzz").glob("*_fuzz") if os.access(p, os.X_OK))
    missing = set(arguments[1:]) - {p.name for p in programs}
    if missing:
        print(f"no such target: {' '.join(sorted(missing))}; there are {' '.join(p.name for p in programs)}")
        return 2
    programs = [p for p in programs if not arguments[1:] or p.name in arguments[1:]]
    if not programs:
        print("nothing to fuzz: fuzz/ has no *_fuzz.cc")
        return 1
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda program: run_target(program, seconds), programs))
    print(f"{sum(results)} fuzz targets passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
