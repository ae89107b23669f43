# SPDX-License-Identifier: Apache-2.0
"""Real interactive shells on a terminal, to press TAB in. `press_tab(line)` tells what was offered, and what the
line became; `completed(line)` tells the latter alone, which is quicker."""
import contextlib
import fcntl
import os
import pathlib
import pty
import select
import struct
import subprocess
import termios
import time

LIMIT = 30  # seconds until a shell must have answered
COMPLETIONS = pathlib.Path(__file__).resolve().parents[2] / "tools" / "completions"


class Shell:
    name = file = ""     # the shell, and our completions for it
    fault = b""         # what its messages of errors have in them
    dump_key = b"\x1d"   # Ctrl-]: writes the line to $DUMP
    clear_key = b"\x15"  # Ctrl-U
    plain_tab = b"\t"    # what completes and writes down no offers

    def __init__(self, folder, env):
        self.folder = folder
        self.dump = folder / "dump"
        self.offers = folder / "offers"
        self.env = env | {"DUMP": str(self.dump), "OFFERS": str(self.offers), "TERM": "dumb", "LC_ALL": "C.UTF-8",
                          "COMPLETIONS": str(COMPLETIONS), "HISTFILE": ""}
        self.screen = b""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 4000, 0, 0))
        self.process = subprocess.Popen(self.command(), stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=self.env,
                                        start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.type(b"true READY" + self.dump_key)
        self.wait_for_dump("true READY")

    def type(self, keys):
        os.write(self.master, keys)

    def wait_for_dump(self, begins):
        end = time.monotonic() + LIMIT
        while True:
            if select.select([self.master], [], [], 0.005)[0]:
                with contextlib.suppress(OSError):
                    self.screen += os.read(self.master, 65536)
            with contextlib.suppress(FileNotFoundError):
                line = self.dump.read_bytes()
                if line.endswith(b"\0") and line.startswith(begins.encode()):
                    self.dump.unlink()
                    self.type(self.clear_key)
                    return line[:-1].decode().rstrip("\n")
            assert time.monotonic() < end, f"{self.name} does not answer; its screen: {self.screen[-3000:]!r}"

    def press_tab(self, line):
        """What TAB offers at the end of `line`, and the line after it."""
        self.offers.unlink(missing_ok=True)
        after = self.completed(line, b"\t")
        offers = self.offers.read_bytes().decode() if self.offers.exists() else ""
        return [offer for offer in offers.split("\0") if offer], after

    def completed(self, line, key=None):
        self.type(line.encode() + (key or self.plain_tab) + self.dump_key)
        return self.wait_for_dump(line.split()[0])

    def close(self):
        """Whatever a completion printed is a fault of it."""
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        assert self.fault not in self.screen, self.screen

    def enter(self, lines):
        """What each of the lines does when it is entered: its output."""
        script = "".join(f"{line}\nprintf '\\0'\n" for line in lines)
        done = subprocess.run([self.name, "-c", script], cwd=self.folder, env=self.env, capture_output=True,
                              timeout=LIMIT, check=False)
        return done.stdout.split(b"\0")[:-1]


class Bash(Shell):
    name, file, fault = "bash", "dcache.bash", b"bash: "
    setup = r"""
        source "$COMPLETIONS/dcache.bash"
        offered() { _dcache "$@"; printf '%s\0' "${COMPREPLY[@]}" >"$OFFERS"; }
        complete -F offered dcache
        bind -x '"\C-]": printf "%s\0" "$READLINE_LINE" >"$DUMP.new"; mv "$DUMP.new" "$DUMP"'
    """

    def command(self):
        (self.folder / "bashrc").write_text(self.setup)
        return ["bash", "--noprofile", "--rcfile", str(self.folder / "bashrc"), "-i"]


class Zsh(Shell):
    name, file, fault = "zsh", "_dcache", b"_dcache"
    setup = r"""
        fpath=($COMPLETIONS $fpath)
        autoload -Uz compinit
        compinit -u -D
        unsetopt auto_list auto_menu beep
        # Writes down what is added, and adds it.
        compadd() {
          if (( ${@[(I)-[OAD]]} )); then builtin compadd "$@"; return; fi
          local -a added
          builtin compadd -A added "$@"
          (( $#added )) && print -rN -- $added >>$OFFERS
          builtin compadd "$@"
        }
        dump() { print -rN -- "$BUFFER" >$DUMP.new; mv $DUMP.new $DUMP }
        zle -N dump
        bindkey '^]' dump
        bindkey '^I' complete-word
    """

    def command(self):
        (self.folder / ".zshrc").write_text(self.setup)
        self.env["ZDOTDIR"] = str(self.folder)
        return ["zsh", "-d", "-i"]


class Fish(Shell):
    name, file, fault = "fish", "dcache.fish", b".fish ("
    plain_tab = b"\x1e"  # Ctrl-^
    setup = r"""
        source $COMPLETIONS/dcache.fish
        function dump
            printf '%s\0' (commandline | string collect) >$DUMP.new
            mv $DUMP.new $DUMP
        end
        function offer
            # Without a match, fish prints candidates that only contain what was typed; they are not for us.
            for line in (complete -C (commandline -c | string collect))
                printf '%s\0' (string split -m1 \t -- $line)[1] >>$OFFERS
            end
            commandline -f complete
        end
        bind \c] dump
        bind \t offer
        bind \x1e complete
        bind \cu 'commandline ""'
        set -g fish_greeting
        function fish_prompt; end
        set -g fish_autosuggestion_enabled 0
    """

    def command(self):
        config = self.folder / "config" / "fish"
        config.mkdir(parents=True, exist_ok=True)
        (config / "config.fish").write_text(self.setup)
        # Else it reads all manual pages of the machine behind everybody's back, for minutes.
        (self.folder / "data" / "fish" / "generated_completions").mkdir(parents=True, exist_ok=True)
        self.env.update(XDG_CONFIG_HOME=str(self.folder / "config"), XDG_DATA_HOME=str(self.folder / "data"))
        return ["fish", "-i"]


SHELLS = {shell.name: shell for shell in (Bash, Zsh, Fish)}
