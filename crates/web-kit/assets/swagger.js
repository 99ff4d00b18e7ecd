// Swagger UI inside the shell of all pages. A page's own script calls `showSwagger`.
"use strict";

/** Shows the description that `#swagger-ui` names; `own` are the page's own options. */
function showSwagger(own) {
  // Swagger UI has its own dark design, which a class switches on.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const followScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", followScheme);
  followScheme();

  const place = document.getElementById("swagger-ui");
  return SwaggerUIBundle({
    url: place.dataset.description,
    domNode: place,
    layout: "BaseLayout",
    validatorUrl: null,
    docExpansion: "list",
    defaultModelsExpandDepth: -1,
    displayRequestDuration: true,
    ...own,
  });
}
