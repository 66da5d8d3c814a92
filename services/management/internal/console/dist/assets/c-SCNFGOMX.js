import{q as t,y as e}from"./c-EAUY6VTV.js";import"./c-DE5XHAAX.js";function a(){return e("div",{class:"page-head",children:e("h1",{children:t("common.page.health")})})}export{a as Health};
