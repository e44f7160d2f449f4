// The pages work without this; with it clocks run, new alerts come in by themselves, keys work.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const byId = (id) => document.getElementById(id);
  const all = (selector, where = document) => [...where.querySelectorAll(selector)];

  const stored = (key, value) => {
    try {
      if (value !== undefined) localStorage.setItem(key, value);
      return localStorage.getItem(key);
    } catch {
      return null; // storage is switched off
    }
  };

  // What was typed outlives an expired sign-in: kept from the pressing of a button until a page
  // other than the sign-in is there, in this tab alone, and put back only after a sign-in.
  const KEPT = "jxw-kept";
  const signing = byId("signing-in");
  const who = () => (document.querySelector(".me bdi") || {}).textContent;
  const keepWords = (form) => {
    const fields = all("[data-keep]", form).filter((field) => field.value);
    const words = Object.fromEntries(fields.map((field) => [field.name, field.value]));
    try {
      sessionStorage.removeItem(KEPT);
      const kept = { who: who(), form: form.getAttribute("action"), words };
      if (fields.length) sessionStorage.setItem(KEPT, JSON.stringify(kept));
    } catch {
      // Storage is switched off: nothing is kept.
    }
  };
  const putBack = () => {
    let kept = null;
    try {
      kept = JSON.parse(sessionStorage.getItem(KEPT));
      if (kept && signing) sessionStorage.setItem(KEPT, JSON.stringify({ ...kept, signed: true }));
      else sessionStorage.removeItem(KEPT);
    } catch {
      return;
    }
    if (!kept || signing || !kept.signed || kept.who !== who()) return;
    const form = all("form").find((each) => each.getAttribute("action") === kept.form);
    if (!form) return;
    for (const [name, words] of Object.entries(kept.words)) {
      const field = form.querySelector(`[data-keep][name="${name}"]`);
      if (!field || field.value) continue;
      field.value = words;
      for (let box = field.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
      field.focus();
    }
    const said = document.createElement("p");
    said.className = "said";
    said.setAttribute("role", "status");
    said.textContent = "登录过期前写的还在，看一眼再按。";
    form.prepend(said);
  };
  putBack();

  // Clocks
  const two = (n) => String(n).padStart(2, "0");
  const waited = (since) => {
    const s = Math.max(0, Math.floor((Date.now() - Date.parse(since)) / 1000));
    if (s < 3600) return `${two(Math.floor(s / 60))}:${two(s % 60)}`;
    if (s < 86400) return `${Math.floor(s / 3600)}\u00a0小时 ${two(Math.floor((s % 3600) / 60))}\u00a0分`;
    return `${Math.floor(s / 86400)} 天`;
  };
  const tick = () => {
    for (const clock of all("[data-since]")) clock.textContent = waited(clock.dataset.since);
  };
  setInterval(tick, 1000);

  // A pressed button says so when the answer takes longer than a moment.
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button || event.target.method === "dialog") return;
    if (event.target.dataset.sent) {
      event.preventDefault();
      return;
    }
    if (!signing) keepWords(event.target);
    event.target.dataset.sent = "1";
    setTimeout(() => {
      button.setAttribute("aria-busy", "true");
      if (button.dataset.busy) button.textContent = button.dataset.busy;
    }, 300);
  });
  window.addEventListener("pageshow", () => all("form").forEach((form) => delete form.dataset.sent));

  const copy = byId("copy");
  if (copy) {
    copy.addEventListener("click", async () => {
      const sheet = byId("sheet");
      sheet.select();
      try {
        await navigator.clipboard.writeText(sheet.value);
        byId("copied").textContent = "复制好了。";
      } catch {
        byId("copied").textContent = "已选中，请按 Ctrl+C。";
      }
    });
  }

  // The picker of tags: words narrow it down.
  const sieve = byId("sieve");
  if (sieve) {
    const narrow = () => {
      const word = sieve.value.trim().toLowerCase();
      let left = 0;
      for (const group of all(".picker > details")) {
        let some = 0;
        for (const choice of all("[data-words]", group)) {
          choice.hidden = Boolean(word) && !choice.dataset.words.toLowerCase().includes(word);
          if (!choice.hidden) some += 1;
        }
        group.hidden = some === 0;
        if (word) group.open = some > 0;
        left += some;
      }
      byId("sieved").textContent = word ? (left ? `剩 ${left} 个` : `没找到“${sieve.value.trim()}”，换个词`) : "";
    };
    sieve.addEventListener("input", narrow);
    sieve.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) event.preventDefault();
    });
    narrow();
  }

  // Keys: single letters by place on the keyboard, off in fields and while a word is composed.
  const help = byId("help");
  const keysOn = byId("keys-on");
  if (help) {
    keysOn.checked = stored("jxw-keys") !== "off";
    keysOn.addEventListener("change", () => stored("jxw-keys", keysOn.checked ? "on" : "off"));
    byId("help-open").addEventListener("click", () => help.showModal());
  }
  const rows = () => all(".row");
  let current = -1;
  const move = (by) => {
    const list = rows();
    if (!list.length) return;
    current = Math.min(list.length - 1, Math.max(0, current + by));
    list.forEach((row, i) => row.toggleAttribute("aria-current", false));
    list[current].setAttribute("aria-current", "true");
    list[current].querySelector("h2 a, h3 a").focus();
  };
  const press = (target) => {
    if (target.dataset.open) {
      const details = byId(target.dataset.open);
      details.open = true;
      details.scrollIntoView({ block: "nearest" });
      details.querySelector("input").focus();
    } else if (target.matches("input")) target.focus();
    else target.click();
  };
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    if (!opener || !byId(opener.dataset.open)) return;
    event.preventDefault();
    press(opener);
  });
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!keysOn || !keysOn.checked || (help && help.open)) return;
    const choosing = event.target.matches("[type=radio]") && /^Digit[1-5]$/.test(event.code);
    const field = event.target.matches("input:not([type=radio]), textarea, select");
    if (field) return;
    const closing = byId("closing");
    if (/^Digit[1-5]$/.test(event.code) && closing && (closing.open || choosing)) {
      closing.querySelector(`[data-digit="${event.code.at(-1)}"]`).click();
    } else if (event.key === "?") help.showModal();
    else if (event.code === "Escape") {
      const back = document.querySelector("[data-back]");
      if (!back) return;
      back.click();
    } else if (rows().length && document.querySelector("[data-log]") && (event.code === "KeyJ" || event.code === "KeyK")) {
      move(event.code === "KeyJ" ? 1 : -1);
    } else if (rows().length && event.code === "KeyC" && current >= 0) {
      const claim = rows()[current].querySelector(".act button");
      if (claim) claim.click();
    } else {
      const target = document.querySelector(`[data-key="${event.code}"]`);
      if (!target) return;
      press(target);
    }
    event.preventDefault();
  });

  // A short sound for a new alert. Browsers let a page sound only after a click on it.
  const bell = byId("sound");
  let audio = null;
  const ready = () => audio !== null && audio.state === "running";
  const muted = () => stored("jxw-sound") === "off";
  const showSound = () => {
    if (!bell) return;
    bell.textContent = muted() ? "声音关" : ready() ? "声音开" : "声音未启用";
    bell.setAttribute("aria-pressed", String(!muted() && ready()));
  };
  const arm = async () => {
    if (!bell || muted() || ready()) return;
    if (!audio) {
      audio = new AudioContext();
      audio.addEventListener("statechange", showSound);
    }
    await audio.resume();
    showSound();
  };
  const sound = (times) => {
    for (let i = 0; i < times; i += 1) {
      const at = audio.currentTime + i * 0.22;
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      tone.frequency.value = 880;
      volume.gain.setValueAtTime(0.0001, at);
      volume.gain.exponentialRampToValueAtTime(0.25, at + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.18);
      tone.connect(volume).connect(audio.destination);
      tone.start(at);
      tone.stop(at + 0.2);
    }
    bell.dataset.rung = String(Number(bell.dataset.rung || 0) + 1);
  };
  const ring = (times) => {
    if (!bell || muted() || !ready()) return;
    if (!navigator.locks) sound(times);
    // One tab rings, the others hear that it does.
    else
      navigator.locks.request("jxw-console-sound", { ifAvailable: true }, async (mine) => {
        if (!mine) return;
        sound(times);
        await new Promise((done) => setTimeout(done, 1500));
      });
  };
  if (bell) {
    bell.addEventListener("click", (event) => {
      event.stopPropagation();
      stored("jxw-sound", muted() || !ready() ? "on" : "off");
      if (muted()) showSound();
      else arm();
    });
    for (const first of ["pointerdown", "keydown"]) {
      document.addEventListener(first, (event) => event.target !== bell && arm());
    }
    showSound();
  }

  // Live: one event stream a browser, shared by its tabs; each asks for the log itself.
  const live = byId("live");
  if (!live) return;
  const log = byId("log");
  const newer = byId("newer");
  const offline = byId("offline");
  let heard = Date.now();
  let asOf = new Date();
  let waiting = null; // the newest log, held back while rows would move under somebody's hands

  const inUse = () => log.contains(document.activeElement) || window.scrollY > 80;
  const keep = (fresh) => {
    const focused = document.activeElement && document.activeElement.closest(".row");
    const id = focused && focused.dataset.id;
    log.replaceChildren(...fresh.childNodes);
    if (id) {
      const row = byId(`alert-${id}`);
      if (row) (row.querySelector(".act button, .act a") || row.querySelector("a")).focus();
    }
    waiting = null;
    newer.hidden = true;
    tick();
  };
  // On pages without the log: only how many wait, and whether one is new.
  const title = document.title;
  let heardOf = null;
  let calls = 0; // emergencies that nobody has taken on
  let pressing = false; // money is on its way, and nobody has claimed it
  const count = (fresh) => {
    const shown = all(".row", fresh);
    const ids = new Set(shown.map((row) => row.dataset.id));
    const born = heardOf ? [...ids].filter((id) => !heardOf.has(id)) : [];
    const called = Number(fresh.querySelector("#pressing")?.dataset.count ?? 0);
    if (heardOf && called > calls) ring(3);
    heardOf = ids;
    calls = called;
    const open = shown.filter((row) => row.querySelector(".act button"));
    pressing = open.some((row) => row.matches(".done, .in_progress"));
    if (born.length) ring(pressing ? 3 : 1);
    if (!log) document.title = open.length && !title.startsWith("(") ? `(${open.length}) ${title}` : title;
    return open.length;
  };
  setInterval(() => pressing && ring(1), 30_000);
  const take = (html) => {
    const fresh = document.createElement("div");
    fresh.innerHTML = html;
    const open = count(fresh);
    if (!log) return;
    const known = new Set(rows().map((row) => row.dataset.id));
    const added = all(".row", fresh).filter((row) => !known.has(row.dataset.id));
    document.title = `${open ? `(${open}) ` : ""}今天·警小微`;
    const urgent = added.filter((row) => row.matches(".done, .in_progress"));
    if (!inUse()) {
      keep(fresh);
    } else {
      // Known rows are brought up to date where they stand; an urgent one enters at the top.
      for (const row of all(".row", fresh)) {
        const mine = byId(`alert-${row.dataset.id}`);
        if (mine && !mine.contains(document.activeElement)) mine.replaceWith(row.cloneNode(true));
      }
      byId("pressing").replaceWith(fresh.querySelector("#pressing").cloneNode(true));
      const first = log.querySelector(".row");
      for (const row of urgent) log.insertBefore(row.cloneNode(true), first);
      const rest = added.length - urgent.length;
      waiting = fresh;
      if (rest > 0) {
        newer.textContent = `新预警 ${rest} 条`;
        newer.hidden = false;
      }
    }
    if (urgent.length) {
      const said = document.createElement("p");
      said.className = "unseen";
      said.setAttribute("role", "alert");
      said.textContent = `${urgent[0].querySelector(".mark").textContent}，${urgent[0].querySelector("h2").textContent}`;
      document.body.append(said);
      setTimeout(() => said.remove(), 5000);
    }
  };
  const refresh = async () => {
    if (!log && live.dataset.elsewhere === undefined) return;
    try {
      const answer = await fetch(`${location.pathname.replace(/\/console\/.*/, "/console/")}log`);
      if (answer.status === 401) {
        offline.textContent = "登录过期，请刷新登录。";
        return;
      }
      if (answer.ok) {
        take(await answer.text());
        asOf = new Date();
      }
    } catch {
      // The strip below says when it lasts.
    }
  };
  if (newer) {
    newer.addEventListener("click", () => {
      if (waiting) keep(waiting);
      window.scrollTo(0, 0);
    });
  }
  if (log) count(log);
  else refresh();
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("jxw-console") : null;
  const hear = (what) => {
    heard = Date.now();
    live.hidden = false;
    offline.textContent = "";
    if (what === "changed") refresh();
  };
  if (channel) channel.addEventListener("message", (event) => hear(event.data));
  const listen = () =>
    new Promise(() => {
      const source = new EventSource("/console/events");
      for (const what of ["beat", "changed"]) {
        source.addEventListener(what, () => {
          if (channel) channel.postMessage(what);
          hear(what);
        });
      }
    });
  if (navigator.locks && channel) navigator.locks.request("jxw-console-events", listen);
  else listen();
  setInterval(() => {
    if (Date.now() - heard < 30_000) return;
    live.hidden = true;
    offline.textContent = `实时断了，这是 ${two(asOf.getHours())}:${two(asOf.getMinutes())} 的内容，正在重连。`;
  }, 1000);
})();
