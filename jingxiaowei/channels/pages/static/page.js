// Loaded in the head of every page, before anything is painted: the remembered size of the type,
// and the way out.
(() => {
  const root = document.documentElement;
  const remembered = () => {
    try {
      return localStorage.getItem("jxw-size");
    } catch {
      return null;
    }
  };
  const sizes = ["18", "22", "26", "30"];
  root.dataset.size = sizes.includes(remembered()) ? remembered() : "18";

  const choose = (size) => {
    root.dataset.size = size;
    try {
      localStorage.setItem("jxw-size", size);
    } catch {
      // Storage is switched off: the size holds for this page.
    }
  };

  const leave = (event) => {
    event.preventDefault();
    try {
      sessionStorage.clear();
    } catch {
      // Storage is switched off: nothing was kept.
    }
    document.title = "　";
    document.body.replaceChildren();
    location.replace("about:blank");
  };

  document.addEventListener("DOMContentLoaded", () => {
    const menu = document.getElementById("menu");
    for (const radio of menu.querySelectorAll("[name=size]")) {
      radio.checked = radio.value === root.dataset.size;
      radio.addEventListener("change", () => choose(radio.value));
    }
    document.getElementById("leave").addEventListener("click", leave);
    document.addEventListener("click", (event) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });
})();
