// The pages work without this; with it clocks run, new alerts come in by themselves, keys work.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const byId = (id) => document.getElementById(id);
  const all = (selector, where = document) => [...where.querySelectorAll(selector)];

  // Clocks
  const two = (n) => String(n).padStart(2, "0");
  const waited = (since) => {
    const s = Math.max(0, Math.floor((Date.now() - Date.parse(since)) / 1000));
    if (s < 3600) return `${two(Math.floor(s / 60))}:${two(s % 60)}`;
    if (s < 86400) return `${Math.floor(s / 3600)} 小时 ${two(Math.floor((s % 3600) / 60))} 分`;
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
  const stored = (key, value) => {
    try {
      if (value !== undefined) localStorage.setItem(key, value);
      return localStorage.getItem(key);
    } catch {
      return null; // storage is switched off
    }
  };
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
  const take = (html) => {
    const fresh = document.createElement("div");
    fresh.innerHTML = html;
    const known = new Set(rows().map((row) => row.dataset.id));
    const added = all(".row", fresh).filter((row) => !known.has(row.dataset.id));
    const open = all(".row", fresh).filter((row) => row.querySelector(".act button")).length;
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
    if (!log) return;
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
